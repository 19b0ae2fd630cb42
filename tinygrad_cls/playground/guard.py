"""Who may talk to the playground: this computer's own pages, and nobody else.

The server listens on 127.0.0.1 alone. Still, any web site that the reader visits could send
requests there, so each must name this server (a foreign name that resolves to 127.0.0.1 does not),
must not come from another site, and must show the token of the page if it changes anything.
"""

import hmac
import logging
from typing import Any

from .frames import to_json

POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
SAFE = {"GET", "HEAD"}
TOKEN = "x-token"
FAILED = "the server failed at this request ({}) and goes on"

log = logging.getLogger(__name__)


class Guard:
    """An ASGI app around another: it refuses foreign requests and puts HEADERS on every answer."""

    def __init__(self, app: Any, port: int, token: str) -> None:
        self.app, self.token = app, token
        names = ("127.0.0.1", "localhost")
        self.hosts = {f"{name}:{port}" for name in names}
        if port == 80:  # browsers leave it out
            self.hosts.update(names)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def guarded(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                own = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                message = message | {"headers": [*message.get("headers", ()), *own]}
            await send(message)

        if refusal := self.refusal(scope):
            await answer(guarded, *refusal)
            return
        try:
            await self.app(scope, receive, guarded)
        except Exception as error:
            log.exception("a request failed")
            if not begun:
                await answer(guarded, 500, FAILED.format(type(error).__name__))

    def refusal(self, scope: Any) -> tuple[int, str] | None:
        """Status and sentence, if this request may not pass."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        host, origin = headers.get("host", []), headers.get("origin", [])
        if len(host) != 1 or host[0].lower() not in self.hosts:
            return 400, f"this server is {min(self.hosts)}: open that address"
        same = origin == [f"http://{host[0].lower()}"]
        if origin and not same:
            return 403, "a page of another site may not use this server"
        if scope["method"] in SAFE:
            return None
        if not same:
            return 403, "a request that changes something must tell its Origin"
        token = headers.get(TOKEN, [])
        if len(token) != 1 or not hmac.compare_digest(token[0].encode(), self.token.encode()):
            return 403, "the page is of an earlier start of the server: load it again"
        return None


async def answer(send: Any, status: int, why: str) -> None:
    """An error as JSON."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": to_json({"error": why})})
