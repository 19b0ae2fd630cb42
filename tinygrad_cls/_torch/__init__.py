"""The one door to torch: tensors, containers and modules of one engine as those of the other."""

from __future__ import annotations

import inspect
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from .. import nn
from ..judge.subject import ENGINES, MAKERS, Engine, Subject, TensorSubject
from ..random import get_rng_state, set_rng_state
from ..serialize import FileRefused


def pytorch() -> ModuleType:
    """torch, or one clear sentence."""
    try:
        import torch
    except ModuleNotFoundError as missing:
        raise ImportError(
            "torch is not installed; run: pip install 'tinygrad_cls[reference]'"
        ) from missing
    return torch


def from_torch(x: Any) -> Any:
    """This engine's counterpart of a torch tensor, state dict, nested container or module.

    Everything is copied; what shares memory in ``x`` shares it in the copy. Values, dtypes,
    strides, ``requires_grad`` and Parameters are kept, gradients, histories and hooks are not.
    A tensor on a GPU comes to the CPU.

    A module is rebuilt from the layers of the same name, with its parameters, buffers, training
    flags and shared parts. TypeError for a class that has no counterpart here: write the module
    for this engine and give it ``from_torch(module.state_dict())`` to load.

    >>> import torch
    >>> from_torch(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()))
    Sequential(
      (0): Linear(in_features=2, out_features=1, bias=True)
      (1): ReLU()
    )
    """
    torch = pytorch()

    from ..serialize.pt import decode

    def tensors(found: Any) -> Any:
        file = io.BytesIO()
        torch.save(found, file)
        try:
            return decode(file.getvalue(), anywhere=True)
        except FileRefused as error:
            raise TypeError(f"from_torch: {error}") from None

    if not isinstance(x, torch.nn.Module):
        return tensors(x)
    state = get_rng_state()  # a constructor draws weights, which are replaced
    try:
        return translate(x, torch.nn, nn, tensors)
    finally:
        set_rng_state(state)


def to_torch(x: Any) -> Any:
    """torch's counterpart of a tensor, state dict, nested container or module of this engine:
    :func:`from_torch` the other way round.

    >>> import torch, tinygrad_cls as tg
    >>> torch.equal(to_torch(tg.ones(2)), torch.ones(2))
    True
    """
    torch = pytorch()

    from ..serialize.pt import encode

    def tensors(found: Any) -> Any:
        return torch.load(io.BytesIO(encode(found)), weights_only=True)

    if not isinstance(x, nn.Module):
        return tensors(x)
    with torch.random.fork_rng(devices=[]):
        return translate(x, nn, torch.nn, tensors)


def translate(module: Any, source: Any, target: Any, tensors: Callable[[Any], Any]) -> Any:
    """``module``, of the package ``source``, rebuilt from the classes of ``target``."""
    modules = dict(module.named_modules())
    rooms = [(m._parameters, m._buffers) for m in modules.values()]
    state = iter(tensors([[dict(room) for room in pair] for pair in rooms]))  # at once: they share
    made: dict[int, Any] = {}
    for path, old in modules.items():
        parameters, buffers = next(state)
        new = made[id(old)] = construct(old, path, source, target, parameters | buffers)
        for room, given in ((new._parameters, parameters), (new._buffers, buffers)):
            if filled(room) != filled(given):
                raise TypeError(
                    f"{place(old, path)} holds {filled(given)}, and a {type(old).__name__} of the "
                    f"other engine {filled(room)}: it can't be converted"
                )
            room.update({name: given[name] for name in filled(given)})
    for old in modules.values():
        new = made[id(old)]
        for name, child in old._modules.items():
            new.add_module(name, None if child is None else made[id(child)])
        new.training = old.training
    return made[id(module)]


def construct(old: Any, path: str, source: Any, target: Any, tensors: dict[str, Any]) -> Any:
    """A module of the same class and options as ``old``; its tensors are to be replaced."""
    name = type(old).__name__
    kind = getattr(target, name, None)
    if getattr(source, name, None) is not type(old) or kind is None:
        raise TypeError(
            f"{place(old, path)} has no counterpart in {target.__name__}, which knows no user's "
            f"classes. Build the module there, and let it load the converted state_dict()."
        )
    options = {}
    known = parameters_of(kind)
    for option, parameter in parameters_of(type(old)).items():
        if option in old._parameters:  # bias=True
            value = old._parameters[option] is not None
        elif option in old._buffers:  # weight=tensor([1., 2.])
            value = tensors[option]
        elif option in vars(old):
            value = vars(old)[option]
        else:  # dtype, which shows in the parameters, or a container's modules
            continue
        if option in known:
            options[option] = value
        elif value is not parameter.default and value != parameter.default:
            raise TypeError(
                f"{place(old, path)} has {option}={value!r}, which a {name} of the other engine "
                f"can't have"
            )
    return kind(**options)


def filled(room: dict[str, Any]) -> list[str]:
    """The names in a module's room that are not empty."""
    return sorted(name for name, value in room.items() if value is not None)


def parameters_of(kind: type) -> dict[str, inspect.Parameter]:
    """The constructor's arguments."""
    return dict(inspect.signature(kind).parameters)


def place(module: Any, path: str) -> str:
    """A module and where it stands, for an error."""
    kind = type(module)
    return f"the {kind.__module__}.{kind.__qualname__} at {path or 'the top'!r}"


# --- torch's functions before the judge -----------------------------------------------------------


def torch_engine() -> Engine:
    """What the judge needs of torch."""
    torch = pytorch()

    def leaf(a: Any) -> Any:
        if any(step < 0 for step in a.strides):  # torch has none
            a = np.ascontiguousarray(a)
        return torch.from_numpy(np.asarray(a))

    def array(x: Any) -> Any:
        return x.detach().cpu().numpy()

    @contextmanager
    def recorded() -> Iterator[None]:
        with torch.inference_mode(False), torch.enable_grad():
            yield

    return Engine("torch", torch.Tensor, leaf, array, torch.autograd.grad, recorded)


def torch_subject(f: Any, inputs: Sequence[Any]) -> Subject | None:
    """``f`` as a subject if it's torch's: a function of torch's own, an ``autograd.Function``, a
    module, or anything that is called with torch tensors.
    """
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "Tensor"):
        return None
    kinds = (f if isinstance(f, type) else type(f)).__mro__
    own = any(k.__module__.split(".")[0] == "torch" for k in kinds)
    own |= str(getattr(f, "__module__", "")).split(".")[0] == "torch"
    if not own and not any(isinstance(x, torch.Tensor) for x in inputs):
        return None
    function = f.apply if isinstance(f, type) and hasattr(f, "apply") else f
    return TensorSubject(function, len(inputs), torch_engine())


ENGINES["torch"] = torch_engine
MAKERS.append(torch_subject)
