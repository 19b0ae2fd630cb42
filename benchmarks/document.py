"""Measurements as a file: written and read against ``schema.json``, and two of them compared."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engines import CONTROL
from benchmarks.harness import Ratio, Unfair, ratio, verdict

Document = dict[str, Any]

NAME = "tinygrad_cls benchmarks 2"
SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text("utf-8"))
MACHINE = ("cpu", "cores", "platform")  # of the environment: what must be equal
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def write(path: Path, environment: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write a document; raises ``ValueError`` if it is not as the schema says."""
    document = {"schema": NAME, "environment": environment, "rows": rows}
    if wrong := list(faults(document)):
        raise ValueError("; ".join(wrong[:5]))
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def read(path: Path) -> Document:
    """Read a document; raises ``Unfair`` if it is not as the schema says."""
    try:
        document: Document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unfair(f"{path}: {error}") from None
    if wrong := list(faults(document)):
        raise Unfair(f"{path} is no file of these benchmarks: {'; '.join(wrong[:3])}")
    return document


def faults(value: Any, schema: dict[str, Any] = SCHEMA, at: str = "document") -> Iterator[str]:
    """Say where a value departs from a JSON Schema, of which this knows the words used here."""
    types = schema.get("type", list(TYPES))
    types = [types] if isinstance(types, str) else types
    whole = isinstance(value, bool)  # which Python counts among the integers
    if not any(isinstance(value, TYPES[t]) and whole <= (t == "boolean") for t in types):
        yield f"{at} is {type(value).__name__}, not {' or '.join(types)}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at} is {value!r}, not {schema['const']!r}"
    if isinstance(value, float) and not np.isfinite(value):
        yield f"{at} is {value}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at} is {value!r}, not like {schema['pattern']!r}"
    if isinstance(value, int | float) and not value >= schema.get("minimum", value):
        yield f"{at} is {value}, below {schema['minimum']}"
    if isinstance(value, dict):
        yield from (
            f"{at} lacks {name!r}" for name in schema.get("required", []) if name not in value
        )
        known = schema.get("properties", {})
        for name, part in value.items():
            yield from faults(part, known.get(name, {}), f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for i, part in enumerate(value):
            yield from faults(part, schema["items"], f"{at}[{i}]")


def compare(before: Path, after: Path, force: bool = False) -> None:
    """Print how many times as fast every engine became, as far as both files have it.

    Raises ``Unfair`` if the files are of two machines, or of a task in two dtypes, unless forced.
    """
    old, new = read(before), read(after)
    if not force:
        for name in MACHINE:
            a, b = (document["environment"].get(name) for document in (old, new))
            if a != b:
                raise Unfair(f"two machines: {name} is {a!r} and {b!r}; --force compares anyway")
    rows_a, rows_b = _timed(old), _timed(new)
    floors = _floors(old), _floors(new)
    dtypes = {key[:-1]: key[-1] for key in rows_a}
    for *task, dtype in rows_b:
        was = dtypes.get(tuple(task), dtype)
        if was != dtype and (*task, dtype) not in rows_a and not force:
            raise Unfair(f"two dtypes: {task[1]} is {was} and {dtype}; --force compares anyway")
    print(f"{before} to {after}: times as fast as before")
    for key, row in rows_b.items():
        was_row = rows_a.get(key) or (
            rows_a.get((*key[:-1], dtypes.get(key[:-1]))) if force else None
        )
        if was_row is None:
            continue
        a, b = (np.array(r["samples"]) for r in (was_row, row))
        n = min(len(a), len(b))
        found = ratio(a[-n:], b[-n:])
        study, task_name, cores, engine, dtype = key
        noise = max(f.get((study, task_name, cores, d), 1.0) for f in floors for d in (dtype,))
        said = verdict(found, Ratio(1.0, 1 / noise, noise))
        print(f"  {task_name + ', ' + dtype:42} {engine:22} {found}  {said}")
    missing = sorted({f"{key[1]}: {key[3]}" for key in set(rows_a) ^ set(rows_b)})
    if missing and not force:
        print(f"  in one file alone: {', '.join(missing)}")


def _timed(document: Document) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {
        (row["study"], row["task"], row["cores"], row["engine"], row["dtype"]): row
        for row in document["rows"]
        if "samples" in row and row["engine"] != CONTROL.name
    }


def _floors(document: Document) -> dict[tuple[Any, ...], float]:
    return {
        (row["study"], row["task"], row["cores"], row["dtype"]): row["floor"]
        for row in document["rows"]
        if "floor" in row
    }
