"""Faults of state: what backward changes, remembers, draws, rounds or leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..case import Array, Pair, Triple, fault
from .pieces import scatter, sigmoid, softmax, unbroadcast

# --- Writing to what belongs to others ---


@fault("state", "x(3, 4)", hint="mutates input")
def backward_writes_to_its_input() -> Pair:
    """The input's memory is used for the slope."""

    def vjp(g: Array, x: Array) -> Array:
        np.cos(x, out=x)
        return g * x

    return np.sin, vjp


@fault("state", "x(3, 4)", hint="mutates input")
def forward_writes_to_its_input() -> Pair:
    """relu in place."""

    def f(x: Array) -> Array:
        x[x < 0] = 0
        return x.copy()

    return f, lambda g, x: g * (x > 0)


@fault("state", "x(3, 4), x(4)", hint="mutates input")
def backward_updates_its_weight() -> Pair:
    """A step of gradient descent is taken inside of backward."""

    def vjp(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
        to_x, to_w = unbroadcast(g * w, x), unbroadcast(g * x, w)
        w -= 0.01 * to_w
        return to_x, to_w

    return np.multiply, vjp


@fault("state", "x(3, 4)", hint="mutates cotangent")
def backward_scales_its_cotangent() -> Pair:
    """g *= y, and g is the caller's."""

    def vjp(g: Array, x: Array) -> Array:
        g *= np.exp(x)
        return g

    return np.exp, vjp


@fault("state", "x(3, 4)", hint="mutates cotangent")
def relu_masks_its_cotangent() -> Pair:
    """Zeros are written into the caller's cotangent."""

    def vjp(g: Array, x: Array) -> Array:
        g[x <= 0] = 0
        return g

    return lambda x: np.maximum(x, 0), vjp


@fault("state", "x(3, 4), x(3, 4)", hint="mutates cotangent")
def alias_of_the_cotangent_scaled() -> Pair:
    """a + 3 b: both gradients are the cotangent itself, and one of them is tripled in place."""

    def vjp(g: Array, a: Array, b: Array) -> tuple[Array, Array]:
        to_a = to_b = g
        to_b *= 3
        return unbroadcast(to_a, a), unbroadcast(to_b, b)

    return lambda a, b: a + 3 * b, vjp


# --- Remembering ---


@fault("state", "x(3, 4)", hint="shared buffer")
def gradient_in_a_shared_buffer() -> Pair:
    """All gradients of a shape are returned in the same memory."""
    buffers: dict[tuple[int, ...], Array] = {}

    def vjp(g: Array, x: Array) -> Array:
        out = buffers.setdefault(x.shape, np.empty_like(x))
        return np.multiply(g, np.cos(x), out=out)

    return np.sin, vjp


@fault("state", "x(3, 4), x(4, 2)", hint="shared buffer")
def weight_gradient_in_a_shared_buffer() -> Pair:
    """Of a product's two gradients one is the caller's own, the other a buffer."""
    buffers: dict[tuple[int, ...], Array] = {}

    def vjp(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
        out = buffers.setdefault(w.shape, np.empty_like(w))
        return g @ w.T, np.matmul(x.T, g, out=out)

    return np.matmul, vjp


@fault("state", "x(3, 4)", hint="accumulates")
def gradient_added_to_the_last_ones() -> Pair:
    """Nothing sets the gradient back to zero: micrograd's most common question."""
    totals: dict[tuple[int, ...], Array] = {}

    def vjp(g: Array, x: Array) -> Array:
        totals[x.shape] = totals.get(x.shape, np.zeros_like(x)) + g * (1 - np.tanh(x) ** 2)
        return totals[x.shape]

    return np.tanh, vjp


@fault("state", "x(5, 4), x(4)", hint="accumulates")
def bias_gradient_added_to_the_last_ones() -> Pair:
    """The same of one input out of two."""
    totals: dict[tuple[int, ...], Array] = {}

    def vjp(g: Array, x: Array, b: Array) -> tuple[Array, Array]:
        totals[b.shape] = totals.get(b.shape, np.zeros_like(b)) + unbroadcast(g, b)
        return unbroadcast(g, x), totals[b.shape].copy()

    return np.add, vjp


@fault("state", "x(3, 4)", hint="saved state")
def relu_with_the_mask_of_the_last_forward() -> Pair:
    """The mask that forward saved, whatever backward is called with."""
    saved: list[Array] = []

    def f(x: Array) -> Array:
        saved[:] = [x > 0]
        return np.maximum(x, 0)

    return f, lambda g, x: g * saved[0]


@fault("state", "x(3, 4)", hint="saved state")
def softmax_of_the_last_forward() -> Pair:
    """The output that forward saved."""
    saved: list[Array] = []

    def f(x: Array) -> Array:
        saved[:] = [softmax(x)]
        return saved[0].copy()

    return f, lambda g, x: saved[0] * (g - (g * saved[0]).sum(-1, keepdims=True))


@fault("state", "x(3, 4)", hint="saved state")
def slope_of_the_first_call() -> Pair:
    """A cache that looks at the shape, not at the values."""
    slopes: dict[tuple[int, ...], Array] = {}

    def vjp(g: Array, x: Array) -> Array:
        return g * slopes.setdefault(x.shape, np.cos(x))

    return np.sin, vjp


@fault("state", "x(3, 4)", hint=("saved state", "shared buffer"))
def sigmoid_with_its_output_handed_out() -> Pair:
    """What forward returns is what it saved; whoever writes to it changes backward."""
    saved: dict[bytes, Array] = {}

    def f(x: Array) -> Array:
        return saved.setdefault(bytes(x.ndim) + x.tobytes(), sigmoid(x))

    def vjp(g: Array, x: Array) -> Any:
        y = saved.get(bytes(x.ndim) + x.tobytes(), sigmoid(x)).reshape(x.shape)
        return g * y * (1 - y)

    return f, vjp


@fault("state", "x(3, 4)", hint=("saved state", "zero"))
def second_backward_of_freed_memory() -> Pair:
    """After the first backward what forward saved is gone, and zeros stand in for it."""
    saved: dict[bytes, Array] = {}

    def f(x: Array) -> Array:
        saved[x.tobytes()] = np.exp(x)
        return np.exp(x)

    return f, lambda g, x: g * saved.pop(x.tobytes(), np.zeros_like(x))


# --- Drawing ---


@fault("state", "x(3, 4)", hint="random")
def gradient_rounded_at_random() -> Pair:
    """Stochastic rounding to multiples of 1e-6, with a generator of its own."""
    rng = np.random.default_rng()

    def vjp(g: Array, x: Array) -> Array:
        return np.floor(g * np.exp(x) * 1e6 + rng.random(x.shape)) / 1e6

    return np.exp, vjp


@fault("state", "x(3, 4)", hint="random")
def noise_from_the_global_generator() -> Pair:
    """Noise of 1e-5, as for privacy; the global seed decides on it."""

    def vjp(g: Array, x: Array) -> Array:
        return g * 2 * x + 1e-5 * np.random.random_sample(x.shape)  # noqa: NPY002

    return lambda x: x**2, vjp


@fault("state", "x(4, 5)", hint="random")
def dropout_with_a_new_mask_in_backward() -> Pair:
    """Forward drops fixed places, backward others at each call."""
    rng = np.random.default_rng()

    def kept(x: Array) -> Array:
        return 2 * (np.arange(x.size).reshape(x.shape) % 2)

    return lambda x: x * kept(x), lambda g, x: g * 2 * rng.integers(0, 2, x.shape)


# --- Rounding ---


@fault("state", "x(3, 4)", hint="dtype drop")
def gradient_through_float32() -> Pair:
    """float64 in, float64 out, float32 between."""
    return np.exp, lambda g, x: (g * np.exp(x)).astype(np.float32).astype(np.float64)


@fault("state", "x(3, 4)", hint="dtype drop")
def gradient_in_float32() -> Pair:
    """A float32 gradient for a float64 input."""
    return np.sin, lambda g, x: (g * np.cos(x)).astype(np.float32)


@fault("state", "x(30, 4), x(4, 3)", hint="dtype drop")
def weight_gradient_summed_in_float32() -> Pair:
    """The product over the batch is taken in float32, for speed."""

    def vjp(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
        fast = x.T.astype(np.float32) @ g.astype(np.float32)
        return g @ w.T, fast.astype(np.float64)

    return np.matmul, vjp


# --- None, and how many ---


@fault("state", "x(4, 3), array([1, 3, 0])", hint="integer input")
def gradient_for_an_index() -> Pair:
    """The sum of the cotangent for the integers that choose rows."""
    return (
        lambda x, rows: x[rows],
        lambda g, x, rows: (scatter(g, rows, x), np.full(rows.shape, g.sum())),
    )


@fault("state", "x(3, 4), array([1, 2, 3, 2])", hint="integer input")
def gradient_for_an_exponent_of_integers() -> Pair:
    """The slope of a real exponent, for one of integers."""

    def vjp(g: Array, x: Array, n: Array) -> tuple[Array, Array]:
        slope = unbroadcast(g * x**n * np.log(np.abs(x)), n)
        return unbroadcast(g * n * x ** (n - 1), x), slope

    return np.power, vjp


@fault("state", "x(3, 4), x(4)", hint="none for used")
def no_gradient_for_the_second_factor() -> Pair:
    """None for an input that the output depends on."""
    return np.multiply, lambda g, a, b: (unbroadcast(g * b, a), None)


@fault("state", "x(3, 4), x(3, 4)", hint="unused input")
def gradient_for_an_unused_input() -> Pair:
    """The second input changes nothing, and gets the cotangent."""
    return lambda a, b: np.exp(a) + 0 * b, lambda g, a, b: (unbroadcast(g * np.exp(a), a), g)


@fault("state", "x(3, 4), x(3, 4)", hint="arity")
def one_gradient_for_two_inputs() -> Pair:
    """The second gradient is forgotten."""
    return np.multiply, lambda g, a, b: (unbroadcast(g * b, a),)


@fault("state", "x(3, 4)", hint="arity")
def two_gradients_for_one_input() -> Pair:
    """A gradient for the slope of leaky_relu, which is no input."""
    return (
        lambda x: np.where(x > 0, x, 0.1 * x),
        lambda g, x: (g * np.where(x > 0, 1, 0.1), (g * np.minimum(x, 0)).sum()),
    )


# --- Second order ---


@fault("state", "x(3, 4)", hint="second order")
def cube_with_a_constant_slope() -> Triple:
    """Right at first order; its second derivative is dropped."""
    return (
        lambda x: x**3,
        lambda g, x: 3 * g * x**2,
        lambda h, g, x: (3 * h * x**2, np.zeros_like(x)),
    )


@fault("state", "x(3, 4)", hint="second order")
def tanh_with_half_its_second_derivative() -> Triple:
    """-y (1 - y**2) for -2 y (1 - y**2)."""

    def vjp2(h: Array, g: Array, x: Array) -> tuple[Array, Array]:
        y = np.tanh(x)
        return h * (1 - y**2), -h * g * y * (1 - y**2)

    return np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), vjp2


@fault("state", "x(3, 4)", hint="second order")
def softplus_that_forgets_the_cotangent_at_second_order() -> Triple:
    """s (1 - s) h for s (1 - s) h g."""
    return (
        lambda x: np.logaddexp(0, x),
        lambda g, x: g * sigmoid(x),
        lambda h, g, x: (h * sigmoid(x), h * sigmoid(x) * sigmoid(-x)),
    )


@fault("state", "x(5)", hint="second order")
def square_blind_to_its_cotangent_at_second_order() -> Triple:
    """The slope for x is right; the one for the cotangent is not."""
    return (
        lambda x: x**2,
        lambda g, x: 2 * g * x,
        lambda h, g, x: (np.zeros_like(g), 2 * h * g),
    )
