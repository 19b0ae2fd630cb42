"""Hooks: functions of the user that a module calls around its forward and its backward pass."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from .. import ops
from .._state import state
from ..autograd import Function
from ..tensor import RemovableHandle, Tensor

Gradients: TypeAlias = tuple[Any, ...]  # a Tensor or None for each input (or output) of a module


class Hook(NamedTuple):
    """A function, and what it asked for when it was registered."""

    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


class Hooks:
    """The hooks of one module, by the moment they are called at."""

    def __init__(self) -> None:
        self.forward_pre: OrderedDict[int, Hook] = OrderedDict()
        self.forward: OrderedDict[int, Hook] = OrderedDict()
        self.backward_pre: OrderedDict[int, Hook] = OrderedDict()
        self.backward: OrderedDict[int, Hook] = OrderedDict()


class Hooked:
    """The half of :class:`Module` that calls ``forward``, and what the user wants called around it.

    >>> import tinygrad_cls as tg
    >>> layer = tg.nn.ReLU()
    >>> def show(module, args, output):
    ...     print(args, output)
    >>> with layer.register_forward_hook(show):
    ...     y = layer(tg.tensor([-1.0, 1.0]))
    (tensor([-1.,  1.]),) tensor([0., 1.])
    """

    __hooks: Hooks | None  # made with the first hook: without any, a call asks no more
    forward: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.__hooks is None:
            return self.forward(*args, **kwargs)
        return call(self, self.__hooks, args, kwargs)

    def __hook(self, moment: str, hook: Hook, prepend: bool) -> RemovableHandle:
        if self.__hooks is None:
            self.__hooks = Hooks()
        hooks: OrderedDict[int, Hook] = getattr(self.__hooks, moment)
        handle = RemovableHandle(hooks, hook)
        if prepend:
            hooks.move_to_end(next(reversed(hooks)), last=False)
        return handle

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before ``forward``; what it returns, a tuple or one value,
        takes the place of ``args``.

        ``with_kwargs``: calls ``hook(module, args, kwargs)``, which returns None or both.
        ``prepend``: before the hooks that are there.
        """
        return self.__hook("forward_pre", Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after ``forward``; what it returns takes the place
        of the output.

        ``with_kwargs``: calls ``hook(module, args, kwargs, output)``. ``always_call``: also where
        ``forward`` raises, with the output None. ``prepend``: before the hooks that are there.
        """
        return self.__hook("forward", Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` when the gradients of the outputs, a tuple, are
        known; the tuple that it returns takes their place.
        """
        return self.__hook("backward_pre", Hook(hook), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` when the gradients of the positional
        inputs are known; the tuple that it returns takes the place of ``grad_input``.

        If no input requires grad, it is called with Nones for them when those of the outputs are
        known. ``forward`` gets copies of its inputs, and the caller one of the output (torch: views
        that refuse to be overwritten).
        """
        return self.__hook("backward", Hook(hook), prepend)


def call(module: Any, hooks: Hooks, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module.forward`` with its hooks."""
    result = None
    called = set()
    try:
        for hook in tuple(hooks.forward_pre.values()):
            if hook.with_kwargs:
                answer = hook.function(module, args, kwargs)
                if answer is not None:
                    if not isinstance(answer, tuple) or len(answer) != 2:
                        raise RuntimeError(
                            f"forward pre-hook must return None or a tuple of (new_args, "
                            f"new_kwargs), but got {answer}."
                        )
                    args, kwargs = answer
            else:
                answer = hook.function(module, args)
                if answer is not None:
                    args = answer if isinstance(answer, tuple) else (answer,)
        backward = None
        if hooks.backward or hooks.backward_pre:
            backward = Backward(module, hooks)
            args = backward.watch_inputs(args)
        result = module.forward(*args, **kwargs)
        for key, hook in tuple(hooks.forward.items()):
            called.add(key)
            answer = after(hook, module, args, kwargs, result)
            if answer is not None:
                result = answer
        return result if backward is None else backward.watch_outputs(result)
    except Exception:
        for key, hook in tuple(hooks.forward.items()):
            if hook.always_call and key not in called:
                try:
                    after(hook, module, args, kwargs, result)
                except Exception as error:  # noqa: BLE001  (the first error is raised below)
                    warnings.warn(
                        f"module forward hook with ``always_call=True`` raised an exception that "
                        f"was silenced as another error was raised in forward: {error}",
                        stacklevel=3,
                    )
        raise


def after(hook: Hook, module: Any, args: Any, kwargs: dict[str, Any], result: Any) -> Any:
    """What a forward hook answers."""
    given = (args, kwargs) if hook.with_kwargs else (args,)
    return hook.function(module, *given, result)


class Backward:
    """The backward pass of one call: gradients come in at the outputs and go out at the inputs."""

    def __init__(self, module: Any, hooks: Hooks) -> None:
        self.module = module
        self.pre_hooks = [hook.function for hook in hooks.backward_pre.values()]
        self.hooks = [hook.function for hook in hooks.backward.values()]
        self.inputs = 0
        self.reaches_inputs = False
        self.grad_output: Gradients | None = None

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments as the module gets them."""
        self.inputs = len(args)
        watched = watch(args, self.at_inputs, zeros=True)
        self.reaches_inputs = watched is not args
        return watched

    def watch_outputs(self, result: Any) -> Any:
        """The result as the caller gets it."""
        if isinstance(result, tuple):
            return watch(result, self.at_outputs, zeros=False)
        if not isinstance(result, Tensor):
            warnings.warn(
                f"For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=4,
            )
        return watch((result,), self.at_outputs, zeros=False)[0]

    def at_outputs(self, gradients: Gradients) -> Gradients:
        """The gradients of the outputs are known."""
        for hook in self.pre_hooks:
            answer = hook(self.module, gradients)
            if answer is not None:
                check_count("pre hook", "grad_output", answer, gradients)
                gradients = answer
        self.grad_output = gradients
        if not self.reaches_inputs:
            self.without_inputs()
        return gradients

    def without_inputs(self) -> None:
        """No input requires grad: the gradients of the outputs are all there is to see."""
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients. See "
            "https://docs.pytorch.org/docs/main/generated/"
            "torch.nn.Module.html#torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=5,
        )
        for hook in self.hooks:
            answer = hook(self.module, (None,) * self.inputs, self.grad_output)
            if answer is not None and not (
                isinstance(answer, tuple) and all(g is None for g in answer)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_output = None

    def at_inputs(self, gradients: Gradients) -> Gradients:
        """The gradients of the inputs are known."""
        if self.grad_output is None:  # a backward pass that came by no output of this call
            return gradients
        for hook in self.hooks:
            answer = hook(self.module, gradients, self.grad_output)
            if answer is not None:
                check_count("hook", "grad_input", answer, gradients)
                gradients = answer
        self.grad_output = None
        return gradients


def check_count(hook: str, what: str, answer: Any, gradients: Gradients) -> None:
    """torch's error for a hook that returns more or fewer gradients than it was given."""
    if len(answer) != len(gradients):
        raise RuntimeError(
            f"Backward {hook} returned an invalid number of {what}, got {len(answer)}, but "
            f"expected {len(gradients)}"
        )


def watch(
    values: tuple[Any, ...], hook: Callable[[Gradients], Gradients], zeros: bool
) -> tuple[Any, ...]:
    """``values`` with copies in the place of the tensors: ``hook`` is called once with the
    gradients of all and returns those to go on with. For a tensor without one it gets None, or
    ``zeros``; for what is no tensor None. The same ``values`` where nothing requires grad.
    """
    found = [i for i, x in enumerate(values) if isinstance(x, Tensor)]
    if not any(values[i].requires_grad for i in found) or not state.grad_enabled:
        return values

    count = len(values)  # all that the graph is to keep of them

    def among_all(gradients: Gradients) -> Gradients:
        known = dict(zip(found, gradients, strict=True))
        answer = hook(tuple(known.get(i) for i in range(count)))
        return tuple(answer[i] for i in found)

    copies = list(values)
    copied = BackwardHookFunction.apply(among_all, zeros, *(values[i] for i in found))
    for i, copy in zip(found, copied, strict=True):
        copies[i] = copy
    return tuple(copies) if type(values) is tuple else type(values)(*copies)


class BackwardHookFunction(Function):
    """Copies of tensors, whose gradients pass through ``hook`` together.

    A copy, unlike a view, lies in memory as its original does: a hook that only looks changes no
    bit.
    """

    @staticmethod
    def forward(
        ctx: Any, hook: Callable[[Gradients], Gradients], zeros: bool, *tensors: Tensor
    ) -> Any:
        ctx.set_materialize_grads(zeros)
        ctx.hook = hook
        copies = tuple(ops.clone(x) for x in tensors)
        constant = [y for x, y in zip(tensors, copies, strict=True) if not x.requires_grad]
        ctx.mark_non_differentiable(*constant)
        return copies

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return (None, None, *ctx.hook(gradients))
