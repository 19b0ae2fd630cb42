"""Requests to an ASGI app without a server, with any headers, however wrong."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_constant=_never)

    @property
    def error(self) -> str:
        """The sentence of an error: one line and nothing else."""
        (sentence,) = self.json.values()
        assert sentence
        assert "\n" not in sentence
        return str(sentence)


def _never(name: str) -> Any:
    raise AssertionError(f"{name} in JSON")


def request(
    app: Any,
    method: str,
    path: str,
    body: bytes = b"",
    headers: list[tuple[str, str]] | None = None,
    chunk: int = 2**16,
) -> Answer:
    """The app's answer; an exception that it lets out comes out."""
    return asyncio.run(_request(app, method, path, body, headers or [], chunk))


async def _request(
    app: Any, method: str, path: str, body: bytes, headers: list[tuple[str, str]], chunk: int
) -> Answer:
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "server": ("127.0.0.1", 8517),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    chunks = [body[i : i + chunk] for i in range(0, len(body), chunk)] or [b""]
    sent: list[Any] = []

    async def receive() -> Any:
        if not chunks:
            return {"type": "http.disconnect"}
        part = chunks.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(m.get("body", b"") for m in sent[1:]))
