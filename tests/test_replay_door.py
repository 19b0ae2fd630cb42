"""`compile` by the side of PyTorch's: called, and as a decorator."""

import copy

import numpy as np
import pytest

import tinygrad_cls as tg

torch = pytest.importorskip("torch")


def values(package, compiled):
    """A function of three inputs, and of a tensor from outside that changes in between."""
    w = package.tensor([[1.0, -2.0], [0.5, 3.0]])

    def f(x):
        return ((x @ w).relu() ** 2).mean(dim=1)

    f = compiled(f)
    found = []
    for k in (0.0, 1.0, 2.0):
        found.append(f(package.tensor([[1.0, 2.0], [k, -1.0]])).numpy())
        w.mul_(0.5)
    return found


def test_compiled_functions_are_torchs() -> None:
    theirs = values(torch, lambda f: torch.compile(f, backend="eager"))
    for ours in (
        values(tg, tg.compile),
        values(tg, tg.compile()),
        values(tg, lambda f: tg.compile(f, passes=())),
        values(tg, lambda f: tg.compile(model=f, passes=["direct"])),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)  # a few roundings of float32


def test_a_module_is_compiled() -> None:
    results = []
    for package in (torch, tg):
        package.manual_seed(0)
        model = package.nn.Linear(3, 2)
        called = tg.compile(model) if package is tg else torch.compile(model, backend="eager")
        with package.no_grad():
            results.append([called(package.full((2, 3), float(k))).numpy() for k in range(3)])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6, atol=1e-7)


# --- Found by a hostile reader: nothing of it may pass silently ---------------------------------

x = tg.ones(2)


def test_a_refusal_that_the_function_catches_is_raised() -> None:
    def f(x):
        try:
            big = x.sum().item() > 5
        except RuntimeError:
            big = False
        return x * 10 if big else x

    with pytest.raises(RuntimeError, match=r"item\(\) looks at a value"):
        tg.compile(f)(x)


def test_an_error_that_the_function_catches_is_no_constant() -> None:
    def f(x, y):
        try:
            return tg.nn.functional.cross_entropy(x, y)
        except IndexError:
            return x.sum() * 0

    compiled = tg.compile(f)
    logits = tg.tensor([[1.0, 2.0], [3.0, 5.0]])
    for labels in ([0, 7], [0, 1], [1, 1]):
        assert compiled(logits, tg.tensor(labels)).item() == f(logits, tg.tensor(labels)).item()


def test_a_changed_list_or_dict_is_refused() -> None:
    with pytest.raises(RuntimeError, match="changes a list or a dict"):
        tg.compile(lambda batch: batch.update(loss=batch["x"].sum()))({"x": x})


def test_attributes_of_an_argument_are_refused() -> None:
    marked = tg.ones(2)
    marked.scale = 3.0
    with pytest.raises(RuntimeError, match="attributes of its own, scale"):
        tg.compile(lambda t: t * t.scale)(marked)


def test_a_gradient_whose_memory_was_replaced() -> None:
    p = tg.ones(2, requires_grad=True)
    optimizer = tg.optim.SGD([p], lr=0.1)
    p.grad = tg.ones(2)
    step = tg.compile(optimizer.step)
    step(), step()
    p.grad.data = tg.zeros(2)
    step()
    np.testing.assert_allclose(p.detach().numpy(), 0.8, rtol=1e-6)


def test_an_argument_in_memory_that_is_written() -> None:
    memory = bytearray(8)
    a, b = (tg.from_numpy(np.frombuffer(memory, np.float32)) for _ in "ab")

    def f(t):
        a.add_(1)
        return a + t

    with pytest.raises(RuntimeError, match="shares memory"):
        tg.compile(f)(b)


def test_backward_through_one_element() -> None:
    w = tg.ones(2, requires_grad=True)
    step = tg.compile(lambda: w[0].backward())
    step(), step(), step()
    assert w.grad.tolist() == [3.0, 0.0]


def test_printing_a_plan_writes_to_nothing_outside() -> None:
    w = tg.zeros(3)
    step = tg.compile(lambda: w.add_(1))
    step()
    assert "add" in str(step.plan)
    assert w.tolist() == [1.0] * 3


def test_a_compiled_module_has_its_parameters_and_is_copied() -> None:
    compiled = tg.compile(tg.nn.Linear(2, 1))
    twin = copy.deepcopy(compiled)
    assert len(list(compiled.parameters())) == 2
    assert twin(x).tolist() == compiled(x).tolist()


def test_a_trainers_own_records_do_not_count() -> None:
    """A method sees the attributes that its code names, and those that others name may change."""

    class Trainer:
        def __init__(self) -> None:
            self.losses, self.epoch, self.scale = [], 0, 1.0

        def step(self, x):
            return self.scaled(x).sum()

        def scaled(self, x):
            return x * self.scale

        def fit(self) -> None:
            for _ in range(20):
                self.epoch += 1
                self.losses.append(self.step(x).item() * self.epoch)

        @tg.compile
        def decorated(self, x):
            return x * self.scale

    trainer = Trainer()
    trainer.step = tg.compile(trainer.step)
    trainer.fit()
    assert trainer.losses == [2.0 * n for n in range(1, 21)]
    assert trainer.step.recordings == 1
    trainer.scale = 3.0
    assert trainer.step(x).item() == 6.0
    for _ in range(3):
        assert trainer.decorated(x).tolist() == [3.0, 3.0]
        trainer.epoch += 1
    assert trainer.decorated.recordings == 1
    assert "mul" in str(trainer.decorated.plan)
