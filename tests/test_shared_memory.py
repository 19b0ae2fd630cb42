"""Memory that two tensors share: nothing is lost, and no history is forgotten in silence."""

import pickle

import numpy as np
import pytest

import tinygrad_cls as tg


def leaf(values, **options):
    return tg.tensor(values, requires_grad=True, **options)


def test_a_view_from_before_its_base_had_a_history_is_refused():
    x, y = leaf([1.0, 2.0]), tg.zeros(2)
    v = y.view(1, 2)
    y[0] = x[1]
    with pytest.raises(RuntimeError, match="take the view again"):
        v * 2


def test_backward_from_a_view_from_before_a_write_is_refused():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 2
    v = y[0]
    y.mul_(3)
    with pytest.raises(RuntimeError, match="take the view again"):
        v.backward()


def test_a_view_refuses_an_operand_by_keyword_too():
    with pytest.raises(RuntimeError, match="on a view that requires grad"):
        tg.zeros(3)[:2].add_(other=leaf([1.0, 2.0]))


@pytest.mark.filterwarnings("ignore:Using backward")
def test_two_leaves_have_gradients_of_their_own():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    ((x + y) ** 2).sum().backward(create_graph=True)
    with tg.no_grad():
        x.grad.zero_()
    assert y.grad.tolist() == [8.0, 12.0]


def test_sgd_steps_both_of_two_parameters_in_one_memory():
    p = leaf([1.0, 2.0])
    q = p.data.requires_grad_()
    optimizer = tg.optim.SGD([p, q], lr=1.0)
    (p.sum() + q.sum() * 2).backward()
    optimizer.step()
    assert p.tolist() == [-2.0, -1.0]


def test_a_gradient_has_the_dtype_of_its_leaf_after_a_narrow_write():
    w, y = leaf([1.0, 2.0], dtype=tg.float64), tg.zeros(2)
    y.add_(w).sum().backward()
    assert w.grad.dtype is tg.float64


def test_an_index_is_the_one_of_the_forward_pass():
    x, i = leaf([1.0, 2.0, 3.0]), tg.tensor([0, 1])
    y = x[i] * 2
    i.add_(1)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 0.0]


def test_repeat_copies():
    x = tg.tensor([1.0, 2.0])
    y = x.repeat(1)
    x.add_(1)
    assert y.tolist() == [1.0, 2.0]


def test_a_pickled_scalar_is_a_scalar():
    assert pickle.loads(pickle.dumps(tg.tensor(3.0))).shape == ()


def test_float16_adds_up_in_float32():
    assert tg.full((5000, 2), 1.0, dtype=tg.float16).sum(0).tolist() == [5000.0, 5000.0]
    assert tg.full((1000,), 100.0, dtype=tg.float16).mean().item() == 100.0


def test_the_gradient_that_is_kept_is_that_of_the_written_value():
    x = leaf([1.0, 2.0])
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    np.testing.assert_array_equal(y.grad.numpy(), [1.0, 1.0])


def test_an_input_named_twice_gets_its_gradient_once():
    x = leaf([1.0, 2.0])
    (x * 2).sum().backward(inputs=[x, x])
    assert x.grad.tolist() == [2.0, 2.0]
