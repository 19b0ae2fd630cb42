"""Two threads that train at once give, bit for bit, the numbers of two runs one after the other.

Modes, tapes and detection are each thread's own. What threads share are the clock, the table with
what its ops remember of themselves, and the default generator, which locks.
"""

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls import nn, optim
from tinygrad_cls.autograd import Function, set_detect_anomaly
from tinygrad_cls.nn import functional as F
from tinygrad_cls.utils.data import DataLoader, TensorDataset


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """A switch of threads after every few bytecodes, where the usual 5 ms would hide a race."""
    found = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(found)


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """What the functions return, each run in a thread, all started together."""
    results: list[Any] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(i: int) -> None:
        start.wait()
        try:
            results[i] = works[i]()
        except Exception as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


class Squared(Function):
    @staticmethod
    def forward(ctx: Any, x: tg.Tensor) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: tg.Tensor) -> Any:
        return 2 * ctx.saved_tensors[0] * g


class Run:
    """A training run with model, data and generator of its own, made one after the other."""

    def __init__(self, seed: int, kind: str) -> None:
        self.kind = kind
        self.generator = tg.Generator().manual_seed(seed)
        tg.manual_seed(seed)
        kwargs = {"dtype": tg.float64} if kind == "double" else {}
        layers = nn.Linear(4, 8, **kwargs), nn.ReLU(), nn.Linear(8, 3, **kwargs)
        self.model = nn.Sequential(*layers)
        x = tg.rand(40, 4, generator=self.generator, **kwargs)
        t = tg.randint(0, 3, (40,), generator=self.generator)
        self.data = TensorDataset(x, t)

    def train(self) -> list[bytes]:
        """The losses, gradients of the last step, and parameters, as bytes."""
        steps = optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        batches = DataLoader(self.data, batch_size=16, shuffle=True, generator=self.generator)
        seen = []
        for _ in range(6):
            for x, t in batches:
                steps.zero_grad()
                seen.append(self.step(x, t))
                steps.step()
            with tg.no_grad() if self.kind != "inference" else tg.inference_mode():
                y = self.model(self.data.tensors[0])
                assert not y.requires_grad
                assert y.is_inference() == (self.kind == "inference")
            assert tg.is_grad_enabled()
        seen += [p.grad.numpy() for p in self.model.parameters()]
        seen += [p.detach().numpy() for p in self.model.parameters()]
        return [np.asarray(a).tobytes() for a in seen]

    def step(self, x: tg.Tensor, t: tg.Tensor) -> Any:
        """A loss and its gradients, in the way of this kind of run."""
        y = self.model(x)
        if self.kind == "custom":
            y = Squared.apply(y)
        loss = F.cross_entropy(y, t)
        if self.kind == "recording":
            with tg.recording() as tape:
                loss.backward()
            assert tape
            assert tg.float64 not in {event.output.dtype for event in tape}  # another thread's
        elif self.kind == "anomaly":
            with set_detect_anomaly(True):
                F.cross_entropy(self.model(x), t).backward()
        elif self.kind == "second order":
            gs = tg.autograd.grad(loss, list(self.model.parameters()), create_graph=True)
            (loss + 0.01 * sum((g * g).sum() for g in gs)).backward()
        else:
            loss.backward()
        return loss.detach().numpy()


KINDS = ["plain", "double", "inference", "recording", "anomaly", "custom", "second order"]


@pytest.mark.parametrize(
    "kinds", [("plain", "plain"), ("double", "recording"), ("inference", "anomaly"), tuple(KINDS)],
    ids=" and ".join,
)  # fmt: skip
def test_runs_at_once_are_runs_one_by_one(kinds: tuple[str, ...]) -> None:
    serial = [Run(seed, kind).train() for seed, kind in enumerate(kinds)]
    runs = [Run(seed, kind) for seed, kind in enumerate(kinds)]
    assert at_once([run.train for run in runs]) == serial
    assert len({tuple(s) for s in serial}) == len(serial)  # or it would say nothing


@snippets("""
with torch.no_grad(): r = other(lambda: [torch.is_grad_enabled(), torch.ones(2).requires_grad])
|r
with torch.inference_mode(): r = other(lambda: torch.is_inference_mode_enabled())
|r
with torch.inference_mode(): r = other(lambda: torch.ones(2).is_inference())
|r
other(lambda: torch.set_grad_enabled(False)); torch.is_grad_enabled()
other(lambda: torch.inference_mode().__enter__()); torch.is_inference_mode_enabled()
x = torch.ones(2, requires_grad=True)
|with torch.no_grad(): y = other(lambda: x * 2)
|y.sum().backward(); x.grad
x = torch.ones(2, requires_grad=True); y = (x * x).sum(); other(y.backward); x.grad
f = torch.no_grad()(torch.is_grad_enabled); [other(f), f(), torch.is_grad_enabled()]
g = torch.Generator().manual_seed(3); [other(lambda: torch.rand(2, generator=g)), torch.rand(2)]
torch.manual_seed(5); [other(lambda: torch.rand(2)), torch.rand(2)]
torch.manual_seed(5); s = torch.default_generator.get_state(); a = other(lambda: torch.rand(2))
|torch.default_generator.set_state(s); [a, torch.rand(2), torch.default_generator.initial_seed()]
other(lambda: torch.manual_seed(7)); [torch.initial_seed(), torch.rand(2)]
torch.manual_seed(3)
|try: other(lambda: torch.set_default_dtype(torch.float64)); r = torch.ones(1)
|finally: torch.set_default_dtype(torch.float32)
|r
""")
def test_what_another_thread_finds(code: str) -> None:
    """Modes anew, the default generator and the default dtype shared: as in torch."""
    check(
        """
import threading
torch.manual_seed(0)
def other(f):
    r = []
    thread = threading.Thread(target=lambda: r.append(f()))
    thread.start(); thread.join()
    return r[0]
"""
        + code
    )


def test_a_mode_object_in_two_threads() -> None:
    """One decorated function, in threads that stand in different modes when they call it."""

    @tg.no_grad()
    def evaluate(x: tg.Tensor) -> tg.Tensor:
        return x * 2

    def work(mode: bool) -> Callable[[], bool]:
        def run() -> bool:
            x = tg.ones(2, requires_grad=True)
            for _ in range(300):
                with tg.set_grad_enabled(mode):
                    if evaluate(x).requires_grad or (x * 2).requires_grad != mode:
                        return False
            return tg.is_grad_enabled()

        return run

    assert at_once([work(True), work(False)]) == [True, True]


def test_the_default_generator_is_shared_and_locks() -> None:
    """Each call draws its numbers in one go: whole calls interleave, and none is drawn twice."""
    calls, size = 60, 50
    tg.manual_seed(1)
    serial = [tg.rand(size).numpy().tobytes() for _ in range(2 * calls)]
    tg.manual_seed(1)
    drawn = at_once([lambda: [tg.rand(size).numpy().tobytes() for _ in range(calls)]] * 2)
    assert sorted(drawn[0] + drawn[1]) == sorted(serial)


def test_one_leaf_in_several_graphs() -> None:
    """Read by all, each thread asking for the gradient of its own tensor."""
    W = tg.rand(4, 4, dtype=tg.float64, generator=tg.Generator().manual_seed(0)).requires_grad_()

    def work(i: int) -> Callable[[], Any]:
        def run() -> Any:
            x = tg.full((2, 4), float(i), dtype=tg.float64, requires_grad=True)
            for _ in range(20):
                gs = tg.autograd.grad(((x @ W).tanh() ** 2).sum(), [x, W])
            return [g.numpy().tobytes() for g in gs]

        return run

    works = [work(i) for i in range(4)]
    assert at_once(works) == [run() for run in works]


def test_an_op_is_used_for_the_first_time_by_all_at_once() -> None:
    """What an op remembers of itself is the same whoever writes it down first."""
    for _ in range(20):
        fresh = tg.op(
            "(...),(...)->(...)", d_a=lambda g, a, b: g * a * b, d_b=lambda g, a, y: g * a + y * 0
        )(lambda a, b: a * a * b)

        def work(fresh: Any = fresh) -> Any:
            a, b = (tg.tensor([2.0, 3.0], requires_grad=True) for _ in range(2))
            fresh(a, b).sum().backward()
            return [a.grad.tolist(), b.grad.tolist()]

        assert at_once([work] * 4) == [[[4.0, 9.0], [2.0, 3.0]]] * 4


def test_in_place_writes_in_two_threads() -> None:
    """Each counts its own writes, and each error names its own line."""

    def work(i: int) -> Callable[[], Any]:
        def run() -> Any:
            x = tg.full((3,), float(i))
            for _ in range(200):
                x.add_(1)
            w = tg.ones(3, requires_grad=True)
            y = (x * w).sum()
            x.mul_(2)
            with pytest.raises(RuntimeError, match=r"version 201; expected version 200.*x\.mul_"):
                y.backward()
            return x.tolist(), x._version

        return run

    assert at_once([work(i) for i in range(3)]) == [([2.0 * (i + 200)] * 3, 201) for i in range(3)]


def test_no_thread_hears_anothers_warnings() -> None:
    """NumPy's complaints about nan and inf stay off in every thread, and on for the user's own."""

    def work() -> str:
        for _ in range(50):
            tg.tensor([-1.0, 0.0]).log()
            (tg.tensor([0.0], requires_grad=True) / 0).sum().backward()
        return np.geterr()["divide"]

    found = np.geterr()["divide"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert at_once([work, work]) == [found, found]
