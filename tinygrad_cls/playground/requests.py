"""Reading requests: what is wrong with one is said in a sentence, with the status of an error."""

from __future__ import annotations

import json
from typing import Any

from ..experiments import extra
from .data import ROWS

with extra("play"):
    from starlette.requests import Request

BODY = 2**20
"""Bytes of a request; of more than DRAINED the rest is not even read."""
DRAINED = 2**26
CSV = 1_000_000
"""Characters of a pasted CSV."""


class Refused(Exception):
    """An answer that is an error, with its status and a sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


async def body(request: Request) -> Any:
    """A request's JSON object. What is too large is read and dropped, so that the page sees why."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "a request's body is application/json")
    text, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= BODY:
            text += chunk
        elif size > DRAINED:
            break
    if size > BODY:
        raise Refused(
            413, f"more than {BODY // 2**20} MiB were sent: a CSV may have {ROWS:,} rows at most"
        )
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(400, "a request's body must be JSON") from None
    if not isinstance(data, dict):
        raise Refused(400, "a request's body must be a JSON object")
    return data


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def known(data: dict[str, Any], *keys: str) -> None:
    """Refuse what nobody reads."""
    if unknown := sorted(data.keys() - set(keys)):
        raise Refused(400, f"nothing here is called {unknown[0][:40]!a}")


def pasted(data: dict[str, Any]) -> tuple[str | None, str]:
    """The reader's CSV, if any, and what to call it."""
    text, name = data.get("csv"), data.get("csv_name") or "the CSV"
    if not isinstance(text, str | None) or not isinstance(name, str):
        raise Refused(400, "csv and csv_name are texts")
    if text is not None and len(text) > CSV:
        raise Refused(413, f"the CSV has {len(text):,} characters: at most {CSV:,} can be used")
    return text, name[:80]


def whole(data: dict[str, Any], key: str, default: Any, low: int, high: int) -> Any:
    """A whole number, moved into its range."""
    value = data.get(key, default)
    if value is default:
        return default
    if type(value) is not int:
        raise Refused(400, f"{key} must be a whole number")
    return min(max(value, low), high)


def is_finite(x: Any) -> bool:
    """Whether it is a number that fits a float."""
    return type(x) in (int, float) and abs(x) < 1e300
