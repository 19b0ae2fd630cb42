"""What every optimizer has: groups of parameters with options, and a state per parameter."""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

from .._state import enable_grad, state
from ..errors import typename
from ..tensor import Tensor, clear
from .packing import Batch, Packing

Params: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Group: TypeAlias = dict[str, Any]


class _Required:
    """Stands for the default of an option that every group has to give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer:
    """The base of every optimizer; a subclass calls ``super().__init__`` and defines ``step``.

    ``params`` holds tensors, pairs of a name and a tensor (``module.named_parameters()``), or
    groups: dicts with ``"params"`` and options of their own. ``defaults`` holds the options
    that a group does not give.

    ``param_groups`` is the list of the groups, ``state`` holds what is remembered of each
    parameter. Both may be changed between steps.

    >>> import tinygrad_cls as tg
    >>> w, b = (tg.tensor([1.0], requires_grad=True) for _ in range(2))
    >>> optimizer = tg.optim.SGD([{"params": [w]}, {"params": [b], "lr": 1.0}], lr=0.1)
    >>> [group["lr"] for group in optimizer.param_groups]
    [0.1, 1.0]
    """

    _since: dict[str, Any] = {}
    """Options that older state dicts lack, with the values that they mean."""

    param_groups: list[Group]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        if isinstance(params, Tensor):
            raise TypeError(
                f"params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {params.type()}; put it into a list: [tensor]"
            )
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups = []
        self._packings: dict[int, Packing] = {}
        given: list[Any] = list(params)
        if not given:
            raise ValueError("optimizer got an empty parameter list")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient."""
        raise NotImplementedError(f"{type(self).__name__} does not define step()")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops every parameter's gradient, or zeroes it."""
        for group in self.param_groups:
            clear(group["params"], set_to_none)

    # --- groups -------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Adds parameters with options of their own: ``{"params": [p], "lr": 0.1}``.

        The dict itself becomes the group; keys that are no option are kept.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        listed: list[Any] = [params] if isinstance(params, Tensor) else list(params)
        names = [p[0] for p in listed if isinstance(p, tuple)]
        tensors = [p[1] if isinstance(p, tuple) else p for p in listed]
        param_group["params"] = tensors
        if names:
            if len(names) != len(tensors):
                raise ValueError(
                    "all optimizer params should be with/without names. Some param names are "
                    "missing"
                )
            param_group["param_names"] = names
        check_tensors(tensors)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        if len(tensors) != len(set(tensors)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                kind = "with" if "param_names" in param_group else "without"
                raise ValueError(
                    f"all optimizer param groups should be with/without names. cannot add param "
                    f"group {kind} names to the optimizer"
                )
        for group in self.param_groups:
            if not set(tensors).isdisjoint(group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def __repr__(self) -> str:
        text = ""
        for i, group in enumerate(self.param_groups):
            options = [f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params"]
            text += f"\nParameter Group {i}\n{''.join(options)}"
        return f"{type(self).__name__} ({text})"

    # --- what a step needs --------------------------------------------------------------------

    @staticmethod
    def _loss(closure: Callable[[], Any] | None) -> Any:
        """What the closure returns, run with grad mode on."""
        if closure is None:
            return None
        with enable_grad():
            return closure()

    def _replace(
        self,
        batch: Batch,
        rule: Callable[..., tuple[Any, ...]],
        options: dict[str, bool],
        numbers: tuple[Callable[..., Sequence[float]], Any],
        tensors: dict[str, list[Any]],
        changed: Sequence[str],
    ) -> None:
        """Writes what ``rule(*tensors, *numbers, **options)`` gives to the tensors named
        ``changed``.

        The rule gets the tensors of each name as one vector, and the numbers in their dtype. They
        come as a function and its argument, so that a replay can ask anew.
        """
        function, source = numbers
        if state.recorder is not None:
            again = partial(function, source)
            state.recorder.updates(partial(rule, **options), again, tensors, changed)
        vectors = [batch.read(name, group) for name, group in tensors.items()]
        kind = vectors[0].dtype.type
        results = rule(*vectors, *map(kind, function(source)), **options)
        for name, result in zip(changed, results, strict=True):
            batch.write(name, result, tensors[name])

    def _batches(self, number: int) -> list[Batch]:
        """The parameters of a group that have a gradient, in as few batches as can be."""
        params = self.param_groups[number]["params"]
        if state.recorder is not None:
            for p in params:
                state.recorder.meets(p)
        params = [p for p in params if p._grad is not None]
        packing = self._packings.get(number)
        if packing is None or not packing.fits(params):
            packing = self._packings[number] = Packing(params)
        return packing.batches()

    # --- state --------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state and the groups as plain dicts, with numbers for the parameters.

        The tensors are those of the optimizer, not copies.
        """
        numbers: dict[int, int] = {}
        start = 0
        groups = []
        for group in self.param_groups:
            places = enumerate(group["params"], start)  # a duplicate has the last place, in torch
            numbers |= {id(p): i for i, p in places if id(p) not in numbers}
            start += len(group["params"])
            packed = {name: value for name, value in group.items() if name != "params"}
            groups.append(packed | {"params": [numbers[id(p)] for p in group["params"]]})
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the options and a copy of the state from what ``state_dict`` returned.

        Parameters are matched by their order; state is cast to the parameter's dtype. Nothing
        changes unless everything fits. (torch shares the tensors of the state with the dict where
        the dtype is right; here the two never share.)
        """
        state_dict = state_dict.copy()
        groups: list[Group] = copy.deepcopy(state_dict["param_groups"])
        if len(groups) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(groups)}, "
                f"the optimizer has {len(self.param_groups)}"
            )
        for i, (own, group) in enumerate(zip(self.param_groups, groups, strict=True)):
            if len(own["params"]) != len(group["params"]):
                raise ValueError(
                    f"loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group: number {i} holds {len(group['params'])} parameters, the "
                    f"optimizer's {len(own['params'])}"
                )
        owners = {
            number: (p, group)
            for own, group in zip(self.param_groups, groups, strict=True)
            for number, p in zip(group["params"], own["params"], strict=True)
        }
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in owners:
                p, group = owners[key]
                state[p] = adapted(value, p, group)
            else:
                state[key] = copy.deepcopy(value)
        for own, group in zip(self.param_groups, groups, strict=True):
            group["params"] = own["params"]
            if "param_names" in own:
                group.setdefault("param_names", own["param_names"])
        self._complete(groups, state)
        self.param_groups, self.state = groups, state

    def _complete(self, groups: list[Group], state: dict[Any, Any]) -> None:
        """Adds what an older state dict lacks."""
        for group in groups:
            for name, value in self._since.items():
                group.setdefault(name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._packings = {}
        self._complete(self.param_groups, self.state)


def adapted(value: Any, p: Tensor, group: Group, key: Any = None) -> Any:
    """A copy of a parameter's state in the parameter's dtype, but for the count of steps."""
    if isinstance(value, dict):
        return {name: adapted(inner, p, group, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(adapted(inner, p, group) for inner in value)
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    twin = value.detach().clone()
    if key == "step":
        return twin.float() if group.get("fused") or group.get("capturable") else twin
    return twin.to(p.dtype) if p.is_floating_point() else twin


# --- what optimizers refuse ---------------------------------------------------------------------


def check_tensors(params: list[Any]) -> None:
    """TypeError or ValueError where an update would go nowhere."""
    for p in params:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {typename(p)}: "
                f"give model.parameters(), or one list of tensors"
            )
        if not (p.is_leaf or p.retains_grad):
            raise ValueError(
                f"can't optimize a non-leaf Tensor: this one, of shape {tuple(p.shape)}, is the "
                f"result of a computation; make it a leaf with .detach()"
            )


def check_rate(
    value: Any, name: str = "lr", number_only: bool = False, kind: type[Exception] = ValueError
) -> None:
    """An error for a tensor of several numbers, or where torch takes no tensor."""
    if not isinstance(value, Tensor):
        return
    if number_only:
        raise kind(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
    if value.numel() != 1:
        raise kind(f"Tensor {name} must be 1-element, not of shape {tuple(value.shape)}")


def number(x: Any) -> Any:
    """A number from an option that may be a tensor with one element."""
    return x._array.reshape(())[()] if isinstance(x, Tensor) else x


def check_integral(p: Tensor, group: Group, names: Iterable[str]) -> None:
    """RuntimeError for factors that are no integers, of a parameter ``p`` that holds integers."""
    for name in names:
        if group[name] != 0 and not isinstance(group[name], int):
            raise RuntimeError(
                f"For integral input tensors, argument alpha must not be a floating point number. "
                f"A parameter of shape {tuple(p.shape)} is {p.dtype}, and {name} is "
                f"{group[name]}: convert the parameter with .float()"
            )


def check_kernels(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """The errors of options that choose among torch's kernels."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if differentiable:
        raise ValueError(
            "differentiable=True is not supported: this engine's optimizers write in place; "
            "compute p - lr * g with create_graph=True to differentiate through an update"
        )
