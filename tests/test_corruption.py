"""A weights file that was damaged in one place is refused, or loads as it was.

A thousand random accidents for each format, each at a random place: a flipped bit, another byte, an
end that is missing, bytes lost or inserted, blocks zeroed, copied over others, or exchanged.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from weights import WRITTEN_BY_TORCH, flat, nested, seen

import tinygrad_cls as tg
from tinygrad_cls.serialize import FileRefused

ACCIDENTS = 1000


# --- accidents --------------------------------------------------------------------------------

Accident = Callable[[random.Random, bytearray], None]


def span(draw: random.Random, data: bytearray) -> slice:
    """A stretch of up to 32 bytes."""
    length = draw.randint(1, min(32, len(data)))
    start = draw.randrange(len(data) - length + 1)
    return slice(start, start + length)


def flip(draw: random.Random, data: bytearray) -> None:
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def change(draw: random.Random, data: bytearray) -> None:
    data[draw.randrange(len(data))] = draw.randrange(256)


def truncate(draw: random.Random, data: bytearray) -> None:
    del data[draw.randrange(len(data)) :]


def lose(draw: random.Random, data: bytearray) -> None:
    del data[span(draw, data)]


def insert(draw: random.Random, data: bytearray) -> None:
    at = draw.randrange(len(data) + 1)
    data[at:at] = draw.randbytes(draw.randint(1, 32))


def zero(draw: random.Random, data: bytearray) -> None:
    where = span(draw, data)
    data[where] = bytes(where.stop - where.start)


def duplicate(draw: random.Random, data: bytearray) -> None:
    source = span(draw, data)
    block = data[source]
    at = draw.randrange(len(data) - len(block) + 1)
    data[at : at + len(block)] = block


def repeat(draw: random.Random, data: bytearray) -> None:
    where = span(draw, data)
    data[where.stop : where.stop] = data[where]


def exchange(draw: random.Random, data: bytearray) -> None:
    first = span(draw, data)
    length = first.stop - first.start
    at = draw.randrange(len(data) - length + 1)
    second = slice(at, at + length)
    data[first], data[second] = data[second], data[first]


ALL: list[Accident] = [flip, change, truncate, lose, insert, zero, duplicate, repeat, exchange]


# --- the law ----------------------------------------------------------------------------------


def fate(path: Path, data: bytes, truth: object) -> str:
    """What comes of a damaged file: "refused" or "equal"; anything else fails the test."""
    path.write_bytes(data)
    try:
        loaded = tg.load(path)
    except FileRefused as error:
        return "refused" if str(error).startswith(str(path)) else str(error)
    return "equal" if seen(loaded) == truth else "DIFFERENT"


def whole(path: Path) -> bytes:
    """The bytes of an undamaged file, which stands at ``path``."""
    if path.suffix == ".safetensors":
        pytest.importorskip("safetensors")
    if path.name == "torch.pt":
        path.write_bytes(WRITTEN_BY_TORCH.read_bytes())
    else:
        tg.save(nested(tg) if path.suffix == ".pt" else flat(tg), path)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["ours.pt", "torch.pt", "ours.npz", "ours.safetensors"])
def test_damage_is_refused_or_changes_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = whole(path)
    truth = seen(tg.load(path))
    draw = random.Random(name)
    fates: dict[str, int] = {}
    for i in range(ACCIDENTS):
        damaged = bytearray(data)
        while damaged == data:
            ALL[i % len(ALL)](draw, damaged)
        what = fate(path, bytes(damaged), truth)
        fates[what] = fates.get(what, 0) + 1
    assert set(fates) == {"refused", "equal"}, fates
    # Padding and time stamps say nothing; but most of a file is its contents.
    assert fates["refused"] > ACCIDENTS / 2, fates


def test_every_byte_of_a_small_file(tmp_path: Path) -> None:
    """Not at random: a bit of every byte of the shortest file, one after the other."""
    path = tmp_path / "small.npz"
    tg.save({"w": tg.tensor([1.5])}, path)
    data, truth = path.read_bytes(), seen(tg.load(path))
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        assert fate(path, bytes(damaged), truth) in ("refused", "equal"), at


def test_an_end_that_is_missing(tmp_path: Path) -> None:
    for name in ("ours.npz", "ours.pt", "ours.safetensors"):
        path = tmp_path / name
        data = whole(path)
        for length in range(0, len(data), 71):
            assert fate(path, data[:length], None) == "refused", (name, length)


def test_the_law_can_be_broken(tmp_path: Path) -> None:
    """Another writer's safetensors have no checksum: there damage to a number is not seen."""
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(numpy.save({"w": tg.ones(4).numpy()}))
    truth = seen(tg.load(path))
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    assert fate(path, bytes(damaged), truth) == "DIFFERENT"


def test_a_claim_without_its_mark(tmp_path: Path) -> None:
    """The checksum is recognised by its key and by itself: damage to one does not hide it."""
    path = tmp_path / "ours.safetensors"
    data, truth = whole(path), seen(tg.load(path))
    for at in (i for i in range(len(data)) if data.startswith(b"tinygrad_cls.sha256", i)):
        damaged = bytearray(data)
        damaged[at] ^= 1
        damaged[-1] ^= 1
        assert fate(path, bytes(damaged), truth) == "refused"
