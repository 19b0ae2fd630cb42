"""Derivatives of functions, as ``torch.autograd.functional``: products with the Jacobian and the
Hessian, and both in full.

``func`` takes tensors and returns a tensor or a tuple of them; ``inputs`` is a tensor or a tuple.
Results are nested alike: a tensor where a tensor was given, a tuple where a tuple was. With
``create_graph`` they can be differentiated again. ``strict`` refuses what does not depend on its
inputs; otherwise its derivative is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from .. import ops
from .._state import enable_grad, is_grad_enabled, set_grad_enabled
from ..chain_rule import grad
from ..creation import zeros_like
from ..errors import no_such_name
from ..tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Func = Callable[..., Any]
Tensors = tuple[Any, ...]


# --- the two products ----------------------------------------------------------------------------


def vjp(
    func: Func, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(inputs)`` and ``v' J``, the product of a vector and the Jacobian: one pass backward.

    ``v`` has the shapes of the outputs, the product those of the inputs.

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([1.0, 2.0])
    >>> vjp(lambda x: x * x, x, tg.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        one_in, xs = tensors(inputs, "inputs", "vjp")
        xs = fresh(xs, create_graph, True)
        one_out, ys = outputs_of(func, xs, "vjp", strict)
        vs = direction(v, ys, one_out, create_graph, "vjp")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        gs = pulled(ys, xs, vs, create_graph)
        gs = filled(gs, xs, strict, create_graph, "back")
    return unpacked(final(ys, create_graph), one_out), unpacked(final(gs, create_graph), one_in)


def jvp(
    func: Func, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(inputs)`` and ``J v``, the product of the Jacobian and a vector.

    Backward gives ``u' J``, which is linear in ``u``: its own derivative in the direction ``v`` is
    ``J v``. So this is two passes backward, whatever ``u`` is.

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([1.0, 2.0])
    >>> jvp(lambda x: x * x, x, tg.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        one_in, xs = tensors(inputs, "inputs", "jvp")
        xs = fresh(xs, create_graph, True)
        vs = direction(v, xs, one_in, create_graph, "jvp")
        one_out, ys = outputs_of(func, xs, "jvp", strict)
        us = tuple(zeros_like(y, requires_grad=True) for y in ys)
        gs = pulled(ys, xs, us, True)
        check(gs, "grad_inputs", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        products = pulled(gs, us, vs, create_graph)
        products = filled(products, ys, strict, create_graph, "back_trick")
    products = final(products, create_graph)
    return unpacked(final(ys, create_graph), one_out), unpacked(products, one_out)


def vhp(
    func: Func, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(inputs)``, of one element, and ``v' H``, the product of a vector and the Hessian.

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([1.0, 2.0])
    >>> vhp(lambda x: (x**3).sum(), x, tg.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        one_in, xs, vs, y, gs = gradient(func, inputs, v, create_graph, strict, "vhp")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        products = pulled(gs, xs, vs, create_graph)
        products = filled(products, xs, strict, create_graph, "double_back")
    return final((y,), create_graph)[0], unpacked(final(products, create_graph), one_in)


def hvp(
    func: Func, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(inputs)``, of one element, and ``H v``: what :func:`vhp` gives faster, since ``H`` is
    symmetric where ``func`` is twice continuously differentiable.

    >>> import tinygrad_cls as tg
    >>> x = tg.tensor([1.0, 2.0])
    >>> hvp(lambda x: (x**3).sum(), x, tg.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        one_in, xs, vs, y, gs = gradient(func, inputs, v, create_graph, strict, "hvp")
        us = tuple(zeros_like(x, requires_grad=True) for x in xs)
        rows = pulled(gs, xs, us, True)
        check(gs, "hessian", strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        products = pulled(rows, us, vs, create_graph)
        products = filled(products, xs, strict, create_graph, "double_back_trick")
    return final((y,), create_graph)[0], unpacked(final(products, create_graph), one_in)


# --- in full -------------------------------------------------------------------------------------


def jacobian(
    func: Func,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian, d output_i / d input_j, in the shape ``(*output.shape, *input.shape)``.

    One pass backward for each element of the output, also with ``vectorize``. For several outputs
    a tuple, for several inputs a tuple, for several of both a tuple of tuples, outputs first.
    ``strategy="forward-mode"`` is refused: this engine goes backward only.

    >>> import tinygrad_cls as tg
    >>> jacobian(lambda x: x * x, tg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    check_strategy(strategy)
    with enable_grad():
        one_in, xs = tensors(inputs, "inputs", "jacobian")
        xs = fresh(xs, create_graph, True)
        one_out, ys = outputs_of(func, xs, "jacobian", strict)
        if vectorize and strict:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
                "supported together. Please either set `strict=False` or `vectorize=False`."
            )
        blocks = []
        for i, y in enumerate(ys):
            rows = []
            for element in ops.reshape(y, -1):
                row = pulled((element,), xs, None, create_graph, retain_graph=True)
                check_row(row, i, strict, create_graph)
                rows.append(with_zeros(row, xs))
            block = tuple(
                ops.reshape(ops.stack([row[j] for row in rows]), (*y.shape, *x.shape))
                for j, x in enumerate(xs)
            )
            blocks.append(unpacked(final(block, create_graph), one_in))
    return unpacked(tuple(blocks), one_out)


def hessian(
    func: Func,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function of one element, of shape ``(*input.shape, *input.shape)``: the
    Jacobian of its gradient. For several inputs a tuple of tuples.

    >>> import tinygrad_cls as tg
    >>> hessian(lambda x: (x**3).sum(), tg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    one_in, xs = tensors(inputs, "inputs", "hessian")
    check_strategy(outer_jacobian_strategy)

    def value(*xs: Any) -> Any:
        return ops.reshape(single_output(func, xs, "hessian", strict), ())

    def slope(*xs: Any) -> Tensors:
        gs: Tensors = jacobian(value, xs, create_graph=True)
        check(gs, "jacobian", strict)
        return gs

    rows = jacobian(slope, xs, create_graph, strict, vectorize)
    return unpacked(tuple(unpacked(row, one_in) for row in rows), one_in)


# --- what they share -----------------------------------------------------------------------------


def tensors(given: Any, what: str, name: str) -> tuple[bool, Tensors]:
    """Whether one tensor was given and no tuple, and the tensors as a tuple."""
    one = not isinstance(given, tuple)
    for i, x in enumerate((given,) if one else given):
        if not isinstance(x, Tensor):
            where = f"given {what}" if one else f"value at index {i}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the "
                f"{where} has type {type(x)}."
            )
    return one, (given,) if one else given


def unpacked(found: Sequence[Any], one: bool) -> Any:
    """The only one, or all."""
    return found[0] if one else found


def fresh(xs: Tensors, create_graph: bool, requires_grad: bool) -> Tensors:
    """New tensors on the same memory: gradients are those of the arguments alone, not of the same
    tensors where ``func`` uses them by another way.
    """
    return tuple(
        x.view_as(x)
        if create_graph and x.requires_grad
        else x.detach().requires_grad_(requires_grad)
        for x in xs
    )


def final(xs: Tensors, create_graph: bool) -> Tensors:
    """Without history, unless it was asked for."""
    return xs if create_graph else tuple(x.detach() for x in xs)


def outputs_of(func: Func, xs: Tensors, name: str, strict: bool) -> tuple[bool, Tensors]:
    """What ``func`` makes of ``xs``."""
    one, ys = tensors(func(*xs), "outputs of the user-provided function", name)
    check(ys, "outputs", strict)
    return one, ys


def single_output(func: Func, xs: Tensors, name: str, strict: bool) -> Any:
    """The same of a function that must return one element."""
    one, ys = outputs_of(func, xs, name, strict)
    if not one:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if ys[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element: "
            f"its shape is {tuple(ys[0].shape)}"
        )
    return ys[0]


def direction(v: Any, like: Tensors, one: bool, create_graph: bool, name: str) -> Tensors | None:
    """The vector ``v`` of a product, in the shapes of ``like``; None stands for a single 1."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            what = {"vjp": "user-provided function returns"}
            which = what.get(name, "input to the user-provided function is")
            raise RuntimeError(
                f"The vector v can only be None if the {which} a single Tensor with a single "
                f"element. Here it has shape {', '.join(str(tuple(x.shape)) for x in like)}."
            )
        return None
    _, vs = tensors(v, "v", name)
    vs = fresh(vs, create_graph, False)
    if len(vs) != len(like):
        if one:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(vs)}."
        )
    for i, (v_i, x) in enumerate(zip(vs, like, strict=True)):
        if v_i.shape != x.shape:
            raise RuntimeError(
                f"{'' if one else f'Entry {i} in '}v has invalid size: should be {x.size()} but "
                f"got {v_i.size()}."
            )
    return vs


def gradient(
    func: Func, inputs: Any, v: Any, create_graph: bool, strict: bool, name: str
) -> tuple[bool, Tensors, Tensors | None, Any, Tensors]:
    """What both products with the Hessian start with: the inputs, the vector, the value, and the
    gradient, which can be differentiated again.
    """
    one_in, xs = tensors(inputs, "inputs", name)
    xs = fresh(xs, create_graph, True)
    vs = direction(v, xs, one_in, create_graph, name)
    y = single_output(func, xs, name, strict)
    gs = pulled((y,), xs, None, True)
    check(gs, "jacobian", strict)
    return one_in, xs, vs, y, gs


def pulled(
    ys: Tensors,
    xs: Tensors,
    cotangents: Tensors | None,
    create_graph: bool,
    retain_graph: bool | None = None,
) -> Tensors:
    """``autograd.grad`` of those outputs that have a history; None for an input they don't use."""
    pairs = zip(ys, cotangents or (None,) * len(ys), strict=True)
    used = [(y, g) for y, g in pairs if y is not None and y.requires_grad]
    if not used:
        return (None,) * len(xs)
    outputs, gs = zip(*used, strict=True)
    return grad(outputs, xs, gs, retain_graph, create_graph, allow_unused=True)


def with_zeros(gs: Tensors, like: Tensors) -> Tensors:
    """Zeros for what is None."""
    return tuple(zeros_like(x) if g is None else g for g, x in zip(gs, like, strict=True))


# --- errors, in torch's words --------------------------------------------------------------------


def check_strategy(strategy: str) -> None:
    """Refuses all but ``"reverse-mode"``."""
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    if strategy == "forward-mode":
        raise NotImplementedError(
            'this engine differentiates backward only: use strategy="reverse-mode", or jvp for a '
            "product with the Jacobian"
        )


STRICT = " This is not allowed in strict mode."
CONSTANT = {
    "outputs": "Output {} of the user-provided function does not require gradients. The outputs "
    "must be computed in a differentiable manner from the input when running in strict mode.",
    "grad_inputs": "The gradient with respect to input {} is independent of the inputs of the "
    "user-provided function." + STRICT,
    "jacobian": "While computing the hessian, found that the jacobian of the user-provided "
    "function with respect to input {} is independent of the input." + STRICT + " You should "
    "ensure that your function is twice differentiable and that the jacobian depends on the inputs "
    "(this would be violated by a linear function for example).",
    "hessian": "The hessian of the user-provided function with respect to input {} is independent "
    "of the input." + STRICT + " You should ensure that your function is thrice differentiable and "
    "that the hessian depends on the inputs.",
}
UNUSED = {
    "back": "The output of the user-provided function is independent of input {}." + STRICT,
    "back_trick": "The gradient with respect to the input is independent of entry {} in the "
    "grad_outputs when using the double backward trick to compute forward mode gradients." + STRICT,
    "double_back": "The jacobian of the user-provided function is independent of input {}."
    + STRICT,
    "double_back_trick": "The hessian of the user-provided function is independent of entry {} in "
    "the grad_jacobian. This is not allowed in strict mode as it prevents from using the double "
    "backward trick to replace forward mode AD.",
}


def check(values: Tensors, what: str, strict: bool) -> None:
    """In strict mode, refuses what doesn't depend on the inputs."""
    for i, x in enumerate(values if strict else ()):
        if x is None:
            raise RuntimeError(UNUSED["back"].format(i))
        if not x.requires_grad:
            raise RuntimeError(CONSTANT[what].format(i))


def filled(gs: Tensors, like: Tensors, strict: bool, create_graph: bool, stage: str) -> Tensors:
    """Zeros for what is None; in strict mode refuses that, and what has no graph but should."""
    for i, g in enumerate(gs if strict else ()):
        if g is None:
            raise RuntimeError(UNUSED[stage].format(i))
        if create_graph and not g.requires_grad:
            what = "hessian" if "double" in stage else "jacobian"
            raise RuntimeError(
                f"The {what} of the user-provided function is independent of input {i}. This is "
                f"not allowed in strict mode when create_graph=True."
            )
    return with_zeros(gs, like)


def check_row(row: Tensors, i: int, strict: bool, create_graph: bool) -> None:
    """The same for the gradients of an element of output ``i``."""
    for j, g in enumerate(row if strict else ()):
        if g is None:
            raise RuntimeError(
                f"Output {i} of the user-provided function is independent of input {j}." + STRICT
            )
        if create_graph and not g.requires_grad:
            raise RuntimeError(
                f"The jacobian of the user-provided function is independent of input {i}. This is "
                f"not allowed in strict mode when create_graph=True."
            )


if not TYPE_CHECKING:  # a type checker finds a wrong name by itself

    def __getattr__(name: str) -> NoReturn:
        raise no_such_name(__name__, name)
