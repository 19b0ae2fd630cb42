"""What the tests of weights files save, and how they look at what was loaded; on either engine.

``python tests/weights.py`` records ``data/torch.pt`` with PyTorch, so that a file of torch's own is
read without it too.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

WRITTEN_BY_TORCH = Path(__file__).parent / "data" / "torch.pt"
DTYPES = "float32 float64 float16 int64 int32 int16 int8 uint8 bool".split()


def flat(torch: Any) -> dict[str, Any]:
    """A state dict as every format holds it; one name is not ASCII."""
    torch.manual_seed(0)
    state: dict[str, Any] = dict(torch.nn.Sequential(torch.nn.Linear(2, 3)).state_dict())
    state["größe"] = torch.tensor([1, -2])
    state["mask"] = torch.tensor([[True], [False]])
    state["empty"] = torch.zeros(0, 2)
    state["half"] = torch.tensor(0.5).half()
    return state


def nested(torch: Any) -> Any:
    """A checkpoint as .pt holds it: the model, its optimizer, shared memory, Parameters, numbers.

    No number depends on how a CPU rounds.
    """
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25, momentum=0.5)
    for i, parameter in enumerate(model.parameters()):
        torch.nn.init.constant_(parameter, i + 1.0)
        parameter.grad = torch.ones(parameter.shape)
    optimizer.step()
    weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    column = weight.detach()[:, 1]
    return OrderedDict(
        model=model.state_dict(),
        # torch's SGD has options that another engine's may lack: what both have, by hand
        optimizer={"state": dict(optimizer.state_dict()["state"]), "groups": [{"lr": 0.25}]},
        tied=[weight, weight],
        views=(weight.detach().T, column, torch.tensor([1.0, 2.0]).expand(2, 2)),
        frozen=torch.nn.Parameter(torch.ones(1, dtype=torch.float64), requires_grad=False),
        leaf=torch.tensor(2.0, requires_grad=True),
        kinds=[torch.tensor([0, 1, 1]).to(getattr(torch, name)) for name in DTYPES],
        empty=torch.zeros(2, 0, 3),
        rest=("äö", None, True, b"\xff\0", 2**70, -1, 0.1, torch.Size([1]), torch.float16),
        marks={1, "a"},
        names={1: "int", "1": "str", (1, None): "tuple"},
    )


def tensors(x: Any) -> list[Any]:
    """The tensors in nested containers, in order."""
    if hasattr(x, "requires_grad_"):
        return [x]
    values = x.values() if isinstance(x, dict) else x if isinstance(x, list | tuple) else ()
    return [tensor for value in values for tensor in tensors(value)]


def span(t: Any) -> tuple[int, int]:
    """The addresses of a tensor: the first, and the one behind its last element."""
    last = sum((n - 1) * step for n, step in zip(t.shape, t.stride(), strict=True))
    low = t.data_ptr()
    return low, low + (last + 1) * t.element_size() * bool(t.numel())


def seen(x: Any, spans: dict[int, tuple[int, int]] | None = None) -> Any:
    """All there is to see of what was loaded: also strides, and which tensors share memory."""
    spans = {id(t): span(t) for t in tensors(x)} if spans is None else spans
    if hasattr(x, "requires_grad_"):
        low, high = spans[id(x)]
        same = list(spans).index(id(x))
        shares = [i for i, (a, b) in enumerate(spans.values()) if a < high and low < b]
        kind = (type(x).__name__, str(x.dtype), tuple(x.shape), x.requires_grad, same, shares)
        stride = x.stride() if x.numel() else ()
        return (*kind, stride, x.detach().contiguous().numpy().tobytes())
    if isinstance(x, dict):
        return type(x).__name__, [(key, seen(value, spans)) for key, value in x.items()]
    if isinstance(x, list | tuple) and type(x).__name__ != "Size":
        return type(x).__name__, [seen(value, spans) for value in x]
    return type(x).__name__, sorted(map(repr, x)) if isinstance(x, set) else repr(x)


if __name__ == "__main__":
    import torch

    torch.save(nested(torch), WRITTEN_BY_TORCH)
