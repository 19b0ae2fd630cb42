"""Anomaly detection: the first nan of a backward pass is named as torch names it, and more."""

import re
import threading
import warnings

import pytest
from parity import check, pytorch, snippets

import tinygrad_cls as tg
from tinygrad_cls import nn
from tinygrad_cls.autograd import Function, detect_anomaly, set_detect_anomaly

START = """
A = torch.autograd
nan = float("nan")
x = torch.tensor([-1.0, 4.0], requires_grad=True)
w = torch.zeros(2, requires_grad=True)
"""


@snippets("""
with A.detect_anomaly(): x.sqrt().sum().backward()
with A.set_detect_anomaly(True): x.sqrt().sum().backward()
with A.set_detect_anomaly(True): torch.autograd.grad(x.sqrt().sum(), x)
with A.set_detect_anomaly(True, check_nan=False): x.sqrt().sum().backward()
|x.grad
with A.detect_anomaly(check_nan=False): x.sqrt().sum().backward()
|x.grad
with A.set_detect_anomaly(True): (x * x).sum().backward()
|x.grad
y = x.sqrt().sum()
|with A.set_detect_anomaly(True): y.backward()
with A.set_detect_anomaly(True): y = x.sqrt().sum()
|y.backward(); x.grad
with A.set_detect_anomaly(True):
    with A.set_detect_anomaly(False): x.sqrt().sum().backward()
|x.grad
with A.set_detect_anomaly(True):
    with A.set_detect_anomaly(False): pass
    x.sqrt().sum().backward()
with A.set_detect_anomaly(False):
    with A.set_detect_anomaly(True): pass
    x.sqrt().sum().backward()
|x.grad
A.set_detect_anomaly(True)
|try: x.sqrt().sum().backward()
|finally: A.set_detect_anomaly(False)
A.set_detect_anomaly(True); A.set_detect_anomaly(False); x.sqrt().sum().backward(); x.grad
try:
    with A.detect_anomaly(): 1 / 0
|except ZeroDivisionError: pass
|x.sqrt().sum().backward(); x.grad
with A.detect_anomaly() as d: pass
|d
A.set_detect_anomaly()
""")
def test_switched(code):
    check(START + code)


@snippets("""
(x * (x * nan)).sum().backward()
(torch.ones(2) * x * nan).sum().backward()
(w * w).sum().sqrt().backward()
(w / w).sum().backward()
(x * x).sqrt().sum().backward(); x.grad
torch.where(w > 0, w.log(), w).sum().backward()
torch.where(w > 0, w * nan, w).sum().backward()
F.binary_cross_entropy_with_logits(x * nan, torch.ones(2)).backward()
F.cross_entropy((x * float("inf"))[None], torch.tensor([1])).backward()
m = nn.Linear(2, 1); m(x[None] * nan).sum().backward()
x.register_hook(lambda g: g * nan); (x * 2).sum().backward(); x.grad
y = x * 2; y.register_hook(lambda g: g * nan); y.sum().backward()
(x * 2).backward(torch.tensor([nan, 1.0]))
g, = A.grad((x * x).sqrt().sum(), x, create_graph=True); (g * nan).sum().backward()
y = x.exp(); y += 1; y.sum().backward()
y = x.exp().sum(); y.backward(); y.backward()
class Bad(A.Function):
    @staticmethod
    def forward(ctx, x): return x * 2, x * 3
    @staticmethod
    def backward(ctx, g, h): return g * nan
|y, z = Bad.apply(x); (y * z).sum().backward()
class Bad(A.Function):
    @staticmethod
    def forward(ctx, x): return x * 2
    @staticmethod
    def backward(ctx, g): return 1 / 0
|Bad.apply(x).sum().backward()
""")
def test_the_name(code):
    """And the warning, with the traceback of the forward call; ``check`` compares its start."""
    try:
        check(f"{START}A.set_detect_anomaly(True)\n{code}")
    finally:
        for engine in (tg, pytorch()):
            engine.autograd.set_detect_anomaly(False)


def caught(f):
    """The error of ``f`` and the text of the warnings with it."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError) as error:
            f()
    return str(error.value), "".join(str(w.message) for w in seen)


X = tg.tensor([-1.0, 4.0])


def loss(x):
    y = x * 2
    z = y.sqrt()  # the culprit
    return (z + 1).sum()


def test_the_line():
    """The error names the user's line, the warning all lines from the outermost."""
    x = X.clone().requires_grad_()
    with set_detect_anomaly(True):
        value = loss(x)
        message, warned = caught(value.backward)
    assert re.search(r"test_anomaly\.py, line \d+: z = y\.sqrt\(\)", message)
    assert re.search(r"in test_the_line\n +value = loss\(x\)\n.*in loss\n +z = y\.sqrt", warned)
    assert "tinygrad_cls/" not in warned


def test_the_line_of_a_function_and_of_a_layer():
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * float("nan")

    x = X.clone().requires_grad_()
    with set_detect_anomaly(True):
        y = Bad.apply(x).sum()  # here
        assert re.search(r"line \d+: y = Bad\.apply", caught(y.backward)[0])
        z = nn.Sequential(nn.Linear(2, 2), nn.ReLU())(X * float("nan")).sum()  # or here
        assert re.search(r"line \d+: z = nn\.Sequential", caught(z.backward)[0])


@pytest.mark.parametrize("inside", [True, False])
def test_with_a_recording(inside):
    """In either order, the tape gets its events and the error its line."""
    x = X.clone().requires_grad_()
    first, second = set_detect_anomaly, tg.recording
    with first(True) if inside else second() as a, second() if inside else first(True) as b:
        value = loss(x)
        message, _ = caught(value.backward)
    assert "the culprit" in message
    assert [e.op.name for e in (b if inside else a)][:4] == ["mul", "sqrt", "add", "sum"]


def test_switched_inside_a_recording_it_stays_on_after_it():
    x = X.clone().requires_grad_()
    try:
        with tg.recording() as tape:
            set_detect_anomaly(True)
        value = loss(x)
        assert "the culprit" in caught(value.backward)[0]
    finally:
        set_detect_anomaly(False)
    assert tape == []
    loss(x).backward()


def test_the_same_numbers():
    """A pass that makes no nan gives bit for bit what it gives without detection."""
    found = []
    for on in (False, True):
        tg.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        x, t = tg.rand(5, 3), tg.rand(5, 1).round()
        with set_detect_anomaly(on):
            nn.BCEWithLogitsLoss()(model(x), t).backward()
        found.append([p.grad.tolist() for p in model.parameters()])
    assert found[0] == found[1]


def test_each_thread_has_its_own():
    """In torch the mode is the process's; here it is the thread's, as grad mode is in both."""
    seen = {}

    def work():
        x = X.clone().requires_grad_()
        loss(x).backward()
        seen["grad"] = x.grad

    with set_detect_anomaly(True):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen["grad"].isnan().tolist() == [True, False]


def test_a_detection_that_raises_leaves_no_trace():
    x = X.clone().requires_grad_()
    with pytest.warns(UserWarning, match="Anomaly Detection"), detect_anomaly():
        caught(loss(x).backward)
    assert tg.is_grad_enabled()
    y = loss(x)
    y.backward()
    assert not hasattr(y.grad_fn, "called")
