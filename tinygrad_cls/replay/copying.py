"""Copies that needn't be made."""

from __future__ import annotations

from typing import Any

from numpy.lib.array_utils import byte_bounds

from .memory import NOTHING, Program, Use, alike, overlap, shifted, whole
from .program import Array, Call, address, copied, owner, place


def direct(program: Program) -> None:
    """A result that is only copied is computed where the copy goes, and a copy that stays what the
    original is isn't made.

    Gradients, for example, come to lie end to end in the vector that the optimizer reads. Numbers
    stay the same to the last bit: no array gets other strides, which sums could depend on.
    """
    copies = [i for i, call in enumerate(program.calls) if call.function is copied]
    for i in copies:
        call = program.calls[i]
        earlier = _earlier(program, i, call.args[0])
        if earlier is not None:
            program.replace(i, Call(copied, (earlier,), {}, call.out, call.op))
    for i in copies:
        source: Any = program.calls[i].args[0]
        target: Any = program.calls[i].out
        if _can_stay(program, i, source, target):
            program.replace(i, NOTHING)
            program.move(target, lambda a, s=source: s)  # type: ignore[misc]
            continue
        if not alike(source, target):
            continue
        if _can_share(program, i, source, target):
            _shift(program, target, source)
        elif _can_move(program, source, target):
            _shift(program, source, target)
        if _to_itself(program.calls[i]):
            program.replace(i, NOTHING)
    program.rewrite(program.calls)


def _to_itself(call: Call) -> bool:
    """Whether a copy changes nothing. The step of an axis of one element doesn't matter."""
    source: Any = call.args[0]
    target: Any = call.out
    return alike(source, target) and address(source) == address(target)


def _shift(program: Program, old: Array, new: Array) -> None:
    """Moves the memory of ``old`` to where ``new`` lies."""
    program.move(old, lambda a: shifted(a, old, new))


def _earlier(program: Program, i: int, source: Array) -> Any:
    """Where the same values were before they were copied, or after, if they are there still.

    So who copies a parameter that has just been updated copies the optimizer's vector, and several
    copies of a parameter become copies of the first.
    """
    for at, writes, a in reversed(program.uses(source)):
        if at >= i:
            continue
        call = program.calls[at]
        if call.function is copied:
            original: Any = call.args[0]
            copy: Any = call.out
            found: Any = copy if place(original) == place(source) else original
            other = original if found is copy else copy
            if (
                place(other) == place(source)
                and (copy.shape, copy.dtype) == (original.shape, original.dtype)
                and id(owner(found)) not in program.outside
                and not overlap(copy, original)
                and not program.written(found, at + 1, i)
            ):
                return found
        if writes and overlap(a, source):
            return None
    return None


def _can_stay(program: Program, i: int, source: Array, target: Array) -> bool:
    """Whether who reads the copy may read the original: in other strides only to copy it again."""
    ends = len(program.calls)
    readers = [program.calls[at] for at, _, _ in program.uses(target) if i < at < ends]
    return (
        program.own(target)
        and id(owner(source)) not in program.outside
        and (source.shape, source.dtype) == (target.shape, target.dtype)
        and (alike(source, target) or all(call.function is copied for call in readers))
        and whole(target)
        and program.writes(target) == [i]
        and all(at >= i and place(a) == place(target) for at, _, a in program.uses(target))
        and not program.written(source, i, ends)
    )


def _can_share(program: Program, i: int, source: Array, target: Array) -> bool:
    """Whether all that is copied to the memory of ``target`` lies alike, as a whole, elsewhere,
    and stays there.
    """
    first, *_ = program.uses(target)
    if first.at != i or not _movable(program, target, source):
        return False
    copies = [use for use in program.uses(target) if use.writes]
    shift = address(source) - address(target)
    for at, _, out in copies:
        call = program.calls[at]
        if call.function is not copied or not _is_shifted(call.args[0], out, -shift, owner(source)):
            return False
        if program.written(call.args[0], at, len(program.calls)):
            return False
    return all(use.writes or use.at > copies[-1].at for use in program.uses(target))


def _can_move(program: Program, source: Array, target: Array) -> bool:
    """Whether the memory of ``source`` may lie where ``target`` is: it is written to, then copied,
    and that part of the target's memory is used for nothing else until then.
    """
    first, *_ = program.uses(source)
    if not first.writes or not _movable(program, source, target):
        return False
    if not all(program.calls[at].pure for at in program.writes(source)):
        return False
    shift = address(target) - address(source)
    low, high = byte_bounds(owner(source))
    copies, others = list[Use](), list[Use]()
    for use in program.uses(target):
        call = program.calls[use.at] if use.writes else None
        if (
            call
            and call.function is copied
            and _is_shifted(call.args[0], use.array, shift, owner(source))
        ):
            copies.append(use)
        else:
            start, stop = byte_bounds(use.array)
            if start < high + shift and stop > low + shift:
                others.append(use)
    return program.writes(source)[-1] < copies[0].at and not any(
        use.writes or use.at <= copies[-1].at for use in others
    )


def _movable(program: Program, old: Array, new: Array) -> bool:
    """Whether the memory of ``old`` finds room around ``new``."""
    if not (program.own(old) and program.own(new)) or owner(old) is owner(new):
        return False
    shift = address(new) - address(old)
    (low, high), (start, stop) = byte_bounds(owner(old)), byte_bounds(owner(new))
    return bool(start <= low + shift and high + shift <= stop)


def _is_shifted(x: Array, copy: Array, shift: int, memory: Any) -> bool:
    """Whether ``x`` lies in that memory, ``shift`` bytes before its copy."""
    return owner(x) is memory and alike(x, copy) and address(copy) - address(x) == shift
