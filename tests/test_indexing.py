"""x[index], read and written: values, views, gradients and errors are PyTorch's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import check, snippets


def bools(shape):
    """Nested lists of truth values."""
    if not shape:
        return st.booleans()
    return st.lists(bools(shape[1:]), min_size=shape[0], max_size=shape[0])


def whole(least, most, shape):
    """Nested lists of whole numbers."""
    if not shape:
        return st.integers(least, most)
    return st.lists(whole(least, most, shape[1:]), min_size=shape[0], max_size=shape[0])


@st.composite
def slices(draw, n):
    a, b = (draw(st.none() | st.integers(-n - 1, n + 1)) for _ in range(2))
    step = draw(st.none() | st.integers(1, 3))
    return ":".join("" if bound is None else str(bound) for bound in (a, b, step))


@st.composite
def indices(draw):
    """A shape and the text of an index that fits it: (2, 3) and "..., [0, 2]", say."""
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    arrays = ["array"] * all(shape)  # torch does not check an index array that picks nothing
    together = draw(st.sampled_from([(2,), (1,), (2, 1), (1, 2)]))  # what index arrays make
    parts, axis, masked = [], 0, False
    while len(parts) < 6:
        left = shape[axis:]
        kinds = ["stop", "None"] + ["..."] * ("..." not in parts)
        if left:
            kinds += ["slice", "slice", "int", *arrays] + ["mask"] * (not masked)
        kind = draw(st.sampled_from(kinds))
        if kind == "stop":
            break
        if kind in ("None", "..."):
            parts.append(kind)
        elif kind == "slice":
            parts.append(draw(slices(left[0])))
            axis += 1
        elif kind == "mask":
            size = draw(st.integers(1, len(left)))
            mask = draw(bools(left[:size]))
            parts.append(f"torch.tensor({mask}, dtype=torch.bool).reshape({left[:size]})")
            axis, masked = axis + size, True  # two masks seldom pick equally many
        elif left[0]:
            shape_here = together if kind == "array" else ()
            where = draw(whole(-left[0], left[0] - 1, shape_here))
            made = ("{}", "torch.tensor({})", "np.array({})") if kind == "array" else ("{}",)
            parts.append(draw(st.sampled_from(made)).format(where))
            axis += 1
    return shape, ", ".join(parts) + "," if parts else "()"


def start(shape, options=""):
    n = math.prod(shape)
    return f"x = torch.arange({n}.0).reshape({shape}).clone(){options}\n"


@pytest.mark.needs_torch
@given(indices())
def test_reading(drawn):
    shape, index = drawn
    check(f"{start(shape)}x[{index}]", text=False)


@pytest.mark.needs_torch
@given(indices())
def test_gradient(drawn):
    shape, index = drawn
    weighed = "(y * torch.arange(float(y.numel())).reshape(y.shape)).sum().backward()"
    check(f"{start(shape, '.requires_grad_()')}y = x[{index}]\n{weighed}\nx.grad", text=False)


@pytest.mark.needs_torch
@given(indices(), st.sampled_from(["7", "True", "torch.tensor(-1.0)", "like", "row"]))
def test_writing(drawn, value):
    """A number, or a tensor of the shape that the index picks, or of its last axis."""
    shape, index = drawn
    if "[[" in index or "([" in index or "[" in index:
        value = {"like": "torch.full(x[{}].shape, 5.0)", "row": "9"}.get(value, value)
    else:  # without repeats it is clear who writes last
        value = {
            "like": "-torch.arange(float(x[{0}].numel())).reshape(x[{0}].shape)",
            "row": "torch.arange(float(x[{0}].shape[-1] if x[{0}].ndim else 1))",
        }.get(value, value)
    check(f"{start(shape)}x[{index}] = {value.format(index)}\nx", text=False)


@pytest.mark.needs_torch
@given(indices())
def test_gradient_through_writing(drawn):
    """What is overwritten gets none; the value written gets its own."""
    shape, index = drawn
    check(
        f"{start(shape, '.requires_grad_()')}z = x * 2\n"
        f"v = torch.full(x.detach()[{index}].shape, 5.0, requires_grad=True)\n"
        f"z[{index}] = v\n"
        f"(z * torch.arange(float(z.numel())).reshape(z.shape)).sum().backward()\n"
        f"[z.detach(), x.grad{'' if '[' in index else ', v.grad'}]",
        text=False,
    )


@pytest.mark.needs_torch
@given(indices(), st.sampled_from(["+= 1", "*= 3", "-= 0.5"]))
def test_augmented_assignment(drawn, act):
    shape, index = drawn
    check(f"{start(shape)}x[{index}] {act}\nx", text=False)


@pytest.mark.needs_torch
@given(indices())
def test_views_and_copies(drawn):
    """Writing to x[index] shows in x if the index has no arrays, and not if it has."""
    shape, index = drawn
    check(f"{start(shape)}y = x[{index}]\ny += 100\n[x, y]", text=False)


@snippets("""
x[1].fill_(9.0); x
x[0, 1].fill_(9.0); x
x[0, 1].add_(9.0); x
x[-1][0] = 9.0; x
y = x[0, 1]; y += 9; x
y = x[0, 1]; x[0, 1] = 9; y
y = x[1]; z = y[2]; z.mul_(3); [x, y, z]
y = x[:, 1]; y.zero_(); x
y = x[..., 2]; y *= 2; x
y = x[None]; y += 1; x
y = x[:, ::2]; y[0] = 7; x
for row in x: row += 1
|x
for row in x:
    for e in row: e += 1
|x
a, b = x; a.zero_(); x
y = x[x > 2]; y.zero_(); x
y = x[[0]]; y.zero_(); x
y = x[torch.tensor(0)]; y.zero_(); x
x[0], x[1] = x[1].clone(), x[0].clone(); x
x[0] = x[1]; x[1, 0] = 9; x
[x[0]._version, x[0, 0].zero_()._version, x._version]
x.T[0] = 9.0; x
x.view(-1)[4] = 9.0; x
""")
def test_an_integer_makes_a_view(code):
    """It writes through, also where the view is a single number."""
    check("x = torch.arange(6.0).reshape(2, 3)\n" + code)


@snippets("""
# torch 2.13 takes a list for an index array, unless it holds a sequence, a slice, None or ...
x[[0, 1]]
x[[0, -1], [1, 2]]
x[[[0, 2]]]
x[[[0], [1]]]
x[[[0, 1], [1, 2]]]
x[[[0, 1]], [[1, 2]]]
x[[slice(None), 0]]
x[[None, 0]]
x[[..., 0]]
x[[0, slice(None)]]
x[[torch.tensor([0]), torch.tensor([1])]]
x[[torch.tensor(0), torch.tensor(1)]]
x[[True, False, True]]
x[[[True, False, True]]]
x[[np.array([0, 1])]]
x[[]]
x[:, []]
x[[0, 1],]
x[(0, 1)]
x[((0, 1),)]
x[(0, 1), (1, 2)]
x[range(2)]
x[:, range(2)]
x[torch.tensor([[0, 1], [1, 0]])]
x[torch.tensor([1, 0]), :, torch.tensor([0, 1])]
x[:, torch.tensor([1, 0]), torch.tensor([0, 1])]
x[0, :, [0, 1]]
x[[0, 1], :, 0]
x[[0, 1], None, 0]
x[0, [0, 1], :]
x[None, [0, 1]]
x[..., [0, 1]]
x[[0, 1], ...]
# numbers of NumPy, 0-d tensors and arrays, truth values
x[np.int64(1)]
x[np.uint8(1), np.int32(0)]
x[torch.tensor(1)]
x[torch.tensor(1, dtype=torch.int32)]
x[torch.tensor(1, dtype=torch.uint8)]
x[np.array(1)]
x[True]
x[False]
x[torch.tensor(True)]
x[None]
x[True, 0]
x[0, True]
x[torch.tensor([0, 1], dtype=torch.int32)]
x[torch.tensor([0, 1, 1], dtype=torch.uint8)]
x[torch.tensor([True, False, True])]
x[x > 3]
x[np.array([True, False, True])]
x[x[:, :, 0] > 3]
x[:, torch.tensor([True, False, True, True])]
x[torch.zeros(3, dtype=torch.bool)]
x[torch.tensor([True, False, True]), 0]
x[torch.tensor([True, False, True]), [0, 1]]
x[torch.tensor([True, False, True]), [0]]
# slices
x[1:], x[:-1], x[::2], x[5:], x[-5:2], x[2:1], x[np.int64(1):torch.tensor(2)]
x[:], x[...], x[()], x[:, ...], x[..., None], x[0, ..., 1], x[..., 0, 0], x[0, 0, 0, ...]
x[True:]
""")
def test_what_may_stand_in_brackets(code):
    check("x = torch.arange(24.0).reshape(3, 4, 2)\n" + code)


@snippets("""
x[2]
x[-3]
x[0, 3]
x[0, -4]
x[:, 3]
x[..., 3]
x[None, 2]  # type
x[0, 0, 0]
x[0, 0, 0, 0]
x[:, :, :]
x[0, :, :]
x[..., 0, 0, 0]
x[[0], [0], [0]]
x[[0, 5]]
x[:, [0, -4]]  # type
x[torch.tensor([0, 2])]
x[torch.tensor([-3])]
x[torch.tensor(2)]
x[torch.tensor([0.0, 1.0])]
x[torch.tensor(0.5)]
x[torch.tensor([True, False, True])]
x[torch.zeros(3, 2, dtype=torch.bool)]
x[torch.zeros(2, 2, dtype=torch.bool)]
x[:, torch.zeros(2, dtype=torch.bool)]
x[torch.zeros(2, 3, 1, dtype=torch.bool)]
x[[0, 1], [0, 1, 2]]
x[[True, False], [0, 1, 2]]
x[1.5]
x[1.0]
x[0, 1.5]
x["a"]  # type
x[0, "a"]
x[{0: 1}]
x[0, {0: 1}]
x[object()]
x[0:1:0]
x[::-1]
x["a":]
x[:1.5]
x[torch.tensor([0, 1]):]
torch.tensor(1.0)[0]
torch.tensor(1.0)[0, 0]
torch.tensor(1.0)[:]
torch.tensor(1.0)[[0]]
torch.tensor(1.0)[...], torch.tensor(1.0)[None], torch.tensor(1.0)[()], torch.tensor(1.0)[True]
torch.zeros(0)[0]
torch.zeros(0, 3)[0]
torch.zeros(0, 3)[[0]]
torch.zeros(0)[[0]]
x[2] = 1.0
x[0, 3] = 1.0
x[0, 0, 0] = 1.0
x[[0, 2]] = 1.0
x[1.5] = 1.0
x["a"] = 1.0  # type
x[0] = torch.zeros(2)
x[0] = torch.zeros(2, 3)
x[:, 0] = torch.zeros(3)
x[0, 0] = torch.zeros(2)
x[[0, 1]] = torch.zeros(3, 3)
x[x == 0] = torch.zeros(5)
x[0] = "a"
x[0] = None
x[0] = [1.0, 2.0]
x[0] = (1.0, 2.0, 3.0)
x[0] = np.ones(3)
del x[0]
torch.tensor(1.0)[0] = 2.0
""")
def test_mistakes(code):
    # where only the type is held to torch's: torch counts axes of the result or index arrays
    # where this engine names the axis of x, and says nothing useful of a string
    check("x = torch.zeros(2, 3)\n" + code, warned='"a"' not in code)


@snippets("""
x[0] = 5; x
x[0, 1] = torch.tensor(5); x
x[0] = torch.tensor([1, 2, 3]); x
x[0] = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64); x
x[:, :1] = torch.ones(2, 1); x
x[:] = torch.arange(3.0); x
x[...] = 1; x
x[()] = 2; x
x[None] = 3; x
x[0] = torch.ones(1, 3); x
x[0] = torch.ones(1, 1, 3); x
x[0, 0] = torch.ones(1, 1); x
x[x > -1] = torch.tensor([5.0]); x
x[x > 9] = torch.zeros(0); x
x[[]] = 9.0; x
x[[0, 1], [1, 2]] = torch.tensor([5.0, 6.0]); x
x[[0, 0]] += 1; x
x[torch.tensor([True, False])] = torch.arange(3.0); x
x[0] = np.float64(2.5); x
x[0] = True; x
x[0:0] = 7; x
x[:, 1] = x[:, 0] + 1; x
x[:, [0, 2]] = x[:, [2, 0]]; x
y = torch.zeros(3, dtype=torch.long); y[0] = 2.7; y
y = torch.zeros(3, dtype=torch.long); y[:2] = torch.tensor([1.5, 2.5]); y
y = torch.zeros(3, dtype=torch.bool); y[1] = 3; y
y = torch.zeros(3, dtype=torch.uint8); y[1] = -1; y
y = torch.tensor(1.0); y[...] = 2; y
y = torch.tensor(1.0); y[()] = 3; y
y = torch.tensor(1.0); y[None] = torch.tensor([4.0]); y
""")
def test_assignment(code):
    check("x = torch.zeros(2, 3)\n" + code)
