"""Batches are PyTorch's: the same values in the same order, and the same draws from every stream.

The streams are compared by their whole state, so that what is drawn after an epoch agrees as well.
"""

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import check, pytorch, snippets

import tinygrad_cls as tg
from tinygrad_cls.utils.data import DataLoader, TensorDataset

# --- Any loader, any seed -------------------------------------------------------------------------


@st.composite
def loops(draw: Any) -> dict[str, Any]:
    """A loader's options and what is done with it."""
    n = draw(st.integers(1, 40))
    order = draw(st.sampled_from(["plain", "shuffle", "random", "subset", "list"]))
    return {
        "n": n,
        "dtype": draw(st.sampled_from(["float32", "float64", "int64", "bool"])),
        "columns": draw(st.integers(0, 3)),
        "data": draw(st.sampled_from(["tensors", "subset", "own", "concat", "one tensor"])),
        "order": order,
        "replacement": draw(st.booleans()),
        "num_samples": draw(st.none() | st.integers(1, 70)),
        "batch_size": draw(st.none() | st.integers(1, 45)),
        "drop_last": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "generator": draw(st.sampled_from([None, "its own", "default"])),
        "epochs": draw(st.integers(1, 4)),
        "stop": draw(st.none() | st.integers(0, 5)),
        "nested": draw(st.booleans()),
    }


def loader(torch: Any, loop: dict[str, Any], generator: Any) -> Any:
    """The DataLoader that ``loop`` describes."""
    data, n = torch.utils.data, loop["n"]
    X = torch.arange(n * loop["columns"]).reshape(n, -1) if loop["columns"] else torch.arange(n)
    dataset = data.TensorDataset(X.to(getattr(torch, loop["dtype"])), torch.arange(n) % 3)
    if loop["data"] == "subset":
        dataset = data.Subset(data.Subset(dataset, range(n - 1, -1, -1)), [*range(n)])
    elif loop["data"] == "own":
        dataset = [(dataset[i][0], i / 2, f"{i}", {"i": i}) for i in range(n)]
    elif loop["data"] == "concat":
        dataset = data.Subset(dataset, range(n // 2)) + data.Subset(dataset, range(n // 2, n))
    elif loop["data"] == "one tensor":
        dataset = X
    options: dict[str, Any] = {"generator": generator, "batch_size": loop["batch_size"]}
    if loop["batch_size"]:
        options["drop_last"] = loop["drop_last"]
    if loop["order"] == "shuffle":
        options["shuffle"] = True
    elif loop["order"] == "random":
        options["sampler"] = data.RandomSampler(
            dataset, loop["replacement"], loop["num_samples"], generator
        )
    elif loop["order"] == "subset":
        options["sampler"] = data.SubsetRandomSampler(range(0, n, 2), generator)
    elif loop["order"] == "list":
        options["sampler"] = [i * 7 % n for i in range(n + 3)]
    return data.DataLoader(dataset, **options)


def plain(x: Any) -> Any:
    """A batch in terms that both engines share, to the bit."""
    if hasattr(x, "detach"):
        return str(x.dtype), tuple(x.shape), x.numpy().tobytes()
    if isinstance(x, dict):
        return {name: plain(value) for name, value in x.items()}
    return (type(x).__name__, [*map(plain, x)]) if isinstance(x, list | tuple) else x


def run(torch: Any, loop: dict[str, Any]) -> list[Any]:
    """Every batch, what is drawn between the epochs, and the state of the streams at the end."""
    torch.manual_seed(loop["seed"])
    own = torch.Generator().manual_seed(loop["seed"] // 3)
    generator = {None: None, "its own": own, "default": torch.default_generator}[loop["generator"]]
    batches = loader(torch, loop, generator)
    seen: list[Any] = [len(batches)]
    for _ in range(loop["epochs"]):
        for i, batch in enumerate(batches):
            if i == loop["stop"]:
                break
            seen.append(plain(batch))
            if loop["nested"] and i == 1:  # a second pass begins before the first one ends
                seen.append([plain(other) for other in batches])
                seen.append(torch.get_rng_state().numpy().tobytes())
        seen.append(plain(torch.rand(2)))
    seen += [stream.get_state().numpy().tobytes() for stream in (own, torch.default_generator)]
    return seen


@pytest.mark.needs_torch
@given(loops())
def test_every_batch_and_every_draw(loop: dict[str, Any]) -> None:
    assert run(tg, loop) == run(pytorch(), loop)


@pytest.mark.needs_torch
@given(
    st.integers(0, 60),
    st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(sum),
    st.booleans(),
    st.sampled_from(["generator=torch.Generator().manual_seed({})", "generator=None", ""]),
    st.integers(0, 2**40),
)
def test_random_split(n: int, shares: list[int], exact: bool, option: str, seed: int) -> None:
    lengths = shares if not exact else [share / sum(shares) for share in shares]
    n = n if exact else sum(shares)
    check(
        f"torch.manual_seed({seed})\n"
        f"parts = torch.utils.data.random_split(range({n}), {lengths}, {option.format(seed)})\n"
        "[[*part] for part in parts], [part.indices for part in parts], torch.rand(3)"
    )


# --- One by one -----------------------------------------------------------------------------------

DATA = """
from collections import OrderedDict, defaultdict, namedtuple, UserList
from types import MappingProxyType
D = torch.utils.data
torch.manual_seed(3)
X, y = torch.arange(12.0).reshape(6, 2), torch.arange(6)
rows = D.TensorDataset(X, y)
class Squares(D.Dataset):
    def __getitem__(self, i): return i * i
    def __len__(self): return 5
class Many(Squares):
    def __getitems__(self, indices): return [("at once", i) for i in indices]
class Named(list):
    name = "?"
Pair = namedtuple("Pair", "a b")
"""


@snippets("""
# TensorDataset
len(rows), rows[1], rows[-1], rows[2:4], rows[[0, 5]], rows.tensors
list(D.TensorDataset(torch.arange(3)))
rows[0][0].zero_(); X  # a sample is a view of the data
D.TensorDataset(torch.zeros(0, 3))[:], len(D.TensorDataset(torch.zeros(0, 3)))
D.TensorDataset(X, y[:5])
D.TensorDataset(y[:5], X, y)
D.TensorDataset(X, np.zeros(6))
D.TensorDataset(X, [1, 2])
D.TensorDataset(torch.tensor(1.0))
D.TensorDataset(X, torch.tensor(1.0))
len(D.TensorDataset())
rows[6]
isinstance(rows, D.Dataset), D.Dataset[int] is not None

# Dataset, Subset, ConcatDataset
D.Dataset()[0]
len(D.Dataset())
len(Squares()), Squares()[3], [(Squares() + Squares())[i] for i in range(10)]
D.Subset(rows, [4, 0])[1], len(D.Subset(rows, [4, 0])), D.Subset(rows, [4, 0])[[0, 1]]
D.Subset(rows, [4, 0])[2]
D.Subset(rows, [9])[0]
D.Subset(rows, torch.tensor([3, 1]))[0], D.Subset(rows, np.array([3, 1]))[1]
D.Subset(Many(), [3, 1]).__getitems__([1, 0]), D.Subset(Squares(), (3, 1)).__getitems__([1, 0])
D.Subset(rows, [4, 0]).indices, D.Subset(rows, [4, 0]).dataset is rows
class Half(D.Subset):
    def __getitem__(self, i): return 0
|Half(rows, [0])
class Half(D.Subset):
    def __getitem__(self, i): return 0
    def __getitems__(self, indices): return [self[i] for i in indices]
|list(D.DataLoader(Half(rows, [0, 1]), 2))
both = D.Subset(rows, [0]) + rows + D.Subset(rows, [5, 4]); len(both), both[0], both[-1], both[7]
both = rows + rows; both.cumulative_sizes, both[-12], len(both.datasets)
(rows + rows)[-13]
(rows + rows)[12]
D.ConcatDataset([])

# random_split
[p.indices for p in D.random_split(range(10), [3, 7])], torch.rand(1)
[p.indices for p in D.random_split(range(10), (0.5, 0.25, 0.25))], torch.rand(1)
[len(p) for p in D.random_split(range(7), [1 / 3] * 3)]
[len(p) for p in D.random_split(range(7), [1])]  # a fraction
[len(p) for p in D.random_split(range(7), [1.0])]
[len(p) for p in D.random_split(range(1), [0.5, 0.25, 0.25])]
[len(p) for p in D.random_split(range(3), [3, 0])]
[p.indices for p in D.random_split(range(4), [2, 2], torch.Generator().manual_seed(1))]
[p.indices for p in D.random_split(range(4), [2, 2], generator=None)], torch.rand(1)
[p[0] for p in D.random_split(rows, [2, 4])]
[p.indices for p in D.random_split([], [0])]
D.random_split(range(10), [3, 6])
D.random_split(range(10), [0.5, 0.4])
D.random_split(range(10), [0.6, 0.6])
D.random_split(range(10), [1.5, -0.5])
D.random_split(range(10), [2.5, 7.5]) # type
D.random_split(range(10), [])
[p.indices for p in D.random_split(range(10), [-1, 11])]

# Samplers
list(D.SequentialSampler(range(4))), len(D.SequentialSampler("abc"))
s = D.RandomSampler(range(6)); list(s), list(s), len(s), torch.rand(1)
s = D.RandomSampler(range(6), num_samples=4); list(s), len(s), s.num_samples, torch.rand(1)
list(D.RandomSampler(range(6), num_samples=15)), torch.rand(1)
list(D.RandomSampler(range(6), True, 70)), torch.rand(1)
g = torch.Generator().manual_seed(0)
|s = D.RandomSampler(range(6), True, 70, g); it = iter(s)
|[next(it) for _ in range(33)], torch.rand(1, generator=g), list(it), torch.rand(1, generator=g)
g = torch.Generator().manual_seed(0)
|s = D.RandomSampler(range(6), generator=g); it = iter(s)
|[next(it) for _ in range(6)], torch.rand(1, generator=g), list(it), torch.rand(1, generator=g)
s = D.SubsetRandomSampler([5, 3, 9]); list(s), len(s), torch.rand(1)
it = iter(D.RandomSampler(range(6))); torch.rand(1), next(it), torch.rand(1)
s = D.RandomSampler([1, 2]); s.data_source.append(3); len(s), list(s)
b = D.BatchSampler(D.SequentialSampler(range(7)), 3, False); list(b), len(b), list(b)
b = D.BatchSampler(range(7), 3, True); list(b), len(b), b.sampler, b.batch_size, b.drop_last
list(D.BatchSampler("abc", 2, False)), list(D.BatchSampler([], 2, False))
D.RandomSampler([])
D.RandomSampler(range(3), num_samples=0)
D.RandomSampler(range(3), num_samples=1.5)
D.RandomSampler(range(3), num_samples=-1)
D.RandomSampler(range(3), replacement=1)
list(D.RandomSampler([], True, 3))
list(D.RandomSampler([], False, 3))
D.BatchSampler(range(3), 0, False)
D.BatchSampler(range(3), -2, False)
D.BatchSampler(range(3), 2.0, False)
D.BatchSampler(range(3), True, False)
D.BatchSampler(range(3), 2, 1)
len(D.BatchSampler((i for i in range(3)), 2, False))
iter(D.Sampler())
len(D.Sampler())

# default_collate
D.default_collate([X[0], X[1]]), D.default_collate((y[0], y[5]))
D.default_collate([1.5, 2.5]), D.default_collate([1, 2]), D.default_collate([True, False])
D.default_collate([1, 2.5]), D.default_collate([1.5, 2])
D.default_collate(["a", "b"]), D.default_collate((b"a", b"b")), D.default_collate([np.str_("a")])
D.default_collate([np.float32(1), np.float32(2)]), D.default_collate([np.float64(1)] * 2)
D.default_collate([np.int8(1), np.int8(2)]), D.default_collate([np.bool_(True)] * 2)
D.default_collate([np.zeros(2), np.ones(2)]), D.default_collate([np.zeros((), np.int16)] * 3)
D.default_collate([(X[0], 1), (X[1], 2)]), D.default_collate([[X[0], 1], [X[1], 2]])
D.default_collate([{"x": X[0], "k": 1}, {"x": X[1], "k": 2, "more": 0}])
d = D.default_collate([OrderedDict(b=1, a=2.0)] * 2); type(d).__name__, d
d = D.default_collate([defaultdict(list, a=1)] * 2); type(d).__name__, d, d["new"]
d = D.default_collate([MappingProxyType({"a": 1})] * 2); type(d).__name__, dict(d)
p = D.default_collate([Pair(1, "x"), Pair(2, "y")]); type(p).__name__, p
s = Named([1, 2]); s.name = "s"; c = D.default_collate([s, [3, 4]]); type(c).__name__, c.name, list(c)
c = D.default_collate([UserList([1, 2])] * 2); type(c).__name__, list(c)
D.default_collate([range(2), range(2)]), D.default_collate([(), ()]), D.default_collate([[], []])
D.default_collate([[(1, "a"), {"k": (X[0], 2)}]] * 2)
s = [1, 2]; D.default_collate([s, s]); s
D.default_collate([])
D.default_collate([object()]) # type
D.default_collate([None, None])
D.default_collate([{1}, {2}])
D.default_collate([np.array(["a"])])
D.default_collate([np.array([None])])
D.default_collate([1, "a"]) # type
D.default_collate([(1, 2), (1,)])
D.default_collate([[1], [1, 2], [1]])
D.default_collate([torch.zeros(2), torch.zeros(3)])
D.default_collate([{"a": 1}, {"b": 1}])
D.default_collate([{"a": None}])

# default_convert
D.default_convert(0), D.default_convert(1.5), D.default_convert("a"), D.default_convert(X) is X
D.default_convert(np.arange(2)), D.default_convert(np.float32(1)), D.default_convert(np.array("a"))
D.default_convert([np.zeros(1), (np.ones(1), "b")]), D.default_convert({"a": np.int8(1), "b": None})
p = D.default_convert(Pair(np.zeros(1), 2)); type(p).__name__, p

# DataLoader: batches
list(D.DataLoader(rows)), list(D.DataLoader(rows, 4)), list(D.DataLoader(rows, 4, drop_last=True))
list(D.DataLoader(rows, batch_size=None)), list(D.DataLoader(X, None)), list(D.DataLoader([1, 2], None))
list(D.DataLoader(rows, sampler=D.BatchSampler(range(6), 4, False), batch_size=None))
list(D.DataLoader(Squares(), 2)), list(D.DataLoader(Many(), 2)), list(D.DataLoader(Many(), None))
list(D.DataLoader(rows, 2, collate_fn=lambda samples: samples))
list(D.DataLoader(rows, None, collate_fn=lambda sample: sample))
list(D.DataLoader(rows, 2, sampler=torch.tensor([5, 1, 3]))), torch.rand(1)
list(D.DataLoader(rows, 2, sampler=np.array([5, 1, 3]))), torch.rand(1)
list(D.DataLoader(rows, 3, sampler=[-1, True, 0]))
list(D.DataLoader(rows, batch_sampler=[[1, 2], (3,), [0, 0]])), torch.rand(1)
list(D.DataLoader(rows, batch_sampler=torch.arange(6).split(4)))
list(D.DataLoader(rows, batch_sampler=[iter([1, 2])]))
list(D.DataLoader({"a": 1.0, "b": 2.0}, 2, sampler=["b", "a"]))
list(D.DataLoader(D.Subset(rows, torch.tensor([3, 1, 2])), 2))
list(D.DataLoader(D.Subset(rows, np.array([3, 1, 2])), 2))
list(D.DataLoader(D.TensorDataset(X.half(), y.bool(), y.to(torch.uint8)), 4))
list(D.DataLoader(D.TensorDataset(X[:0]), 4)), len(D.DataLoader(D.TensorDataset(X[:0]), 4))
w = X.clone().requires_grad_(); b, = next(iter(D.DataLoader(D.TensorDataset(w), 2))); b.sum().backward(); b, w.grad
class Own(D.TensorDataset):
    def __getitem__(self, i): return i, "own"
|list(D.DataLoader(Own(X), 4))
b = next(iter(D.DataLoader(rows, 1))); b[0].zero_(); b[1].zero_(); X, y  # memory of its own
b = next(iter(D.DataLoader(rows, 4))); b[0].view(-1)[0] = 9.0; b[0].is_contiguous(), b[0], X
list(D.DataLoader(D.TensorDataset(X.T.contiguous().T), 4))
type(next(iter(D.DataLoader(rows, 4)))).__name__

# DataLoader: lengths and attributes
[len(D.DataLoader(range(7), b, drop_last=d)) for b in (1, 3, 7, 8) for d in (False, True)]
len(D.DataLoader(range(7), None)), len(D.DataLoader(range(7), sampler=[1, 2], batch_size=2))
len(D.DataLoader(range(7), batch_sampler=[[0], [1]])), len(iter(D.DataLoader(range(7), 2)))
l = D.DataLoader(rows, 2); l.dataset is rows, l.batch_size, l.drop_last, l.num_workers, l.generator
l = D.DataLoader(rows, 2, True); type(l.sampler).__name__, type(l.batch_sampler).__name__, l.pin_memory
l = D.DataLoader(rows, 2); type(l.sampler).__name__, l.collate_fn is D.default_collate, l.timeout
l = D.DataLoader(rows, None); l.batch_size, l.batch_sampler, l.collate_fn is D.default_convert
l = D.DataLoader(rows, batch_sampler=[[0]]); l.batch_size, l.drop_last, type(l.sampler).__name__
l = D.DataLoader(rows); l.batch_size = 3
l = D.DataLoader(rows); l.sampler = [1]
l = D.DataLoader(rows); l.dataset = X
l = D.DataLoader(rows); l.collate_fn = len; list(l)
class Mine(D.DataLoader):
    def __init__(self, *a): self.batch_size = 9; super().__init__(*a)
|Mine(rows).drop_last, Mine(rows).batch_size
l = D.DataLoader(rows, 4); it = iter(l); iter(it) is it, next(it), next(it), next(it, "end"), next(it, "end")
class Bad(Squares):
    def __getitem__(self, i): return 1 // i
|it = iter(D.DataLoader(Bad()))
|try: next(it)
|except ZeroDivisionError: pass
|next(it)  # the pass goes on

# DataLoader: what is drawn, and when
l = D.DataLoader(rows, 4); torch.rand(1), [*l], torch.rand(1), [*l], torch.rand(1)
l = D.DataLoader(rows, 4, shuffle=True); it = iter(l); torch.rand(1), next(it), torch.rand(1), [*it], torch.rand(1)
g = torch.Generator().manual_seed(0); l = D.DataLoader(rows, 3, shuffle=True, generator=g)
|it = iter(l); [torch.rand(1, generator=g), next(it), torch.rand(1, generator=g), next(it), torch.rand(1, generator=g), list(it), torch.rand(1, generator=g), torch.rand(1)]
g = torch.Generator().manual_seed(0); l = D.DataLoader(rows, 4, shuffle=True, generator=g)
|it = iter(l); [torch.rand(1, generator=g), next(it), torch.rand(1, generator=g), next(it), torch.rand(1, generator=g), list(it), torch.rand(1, generator=g), torch.rand(1)]
l = D.DataLoader(rows, 4, shuffle=True); a, b = iter(l), iter(l); [next(a), next(b), next(a), next(b)], torch.rand(1)
l = D.DataLoader(rows, None, shuffle=True); [*l], torch.rand(1)
l = D.DataLoader(rows, 2, sampler=D.RandomSampler(rows)); [*l], [*l], torch.rand(1)
l = D.DataLoader(rows, 2, shuffle=True); len(l), next(iter(l)), next(iter(l)), torch.rand(1)

# DataLoader: what goes with workers
D.DataLoader(rows, num_workers=-1)
D.DataLoader(rows, timeout=-1)
iter(D.DataLoader(rows, timeout=1))
D.DataLoader(rows, prefetch_factor=2)
D.DataLoader(rows, num_workers=2, prefetch_factor=-1)
D.DataLoader(rows, persistent_workers=True)
D.DataLoader(rows, multiprocessing_context="fork")
len(list(D.DataLoader(rows, 2, worker_init_fn=print, in_order=False)))

# DataLoader: mistakes
D.DataLoader(rows, 0)
D.DataLoader(rows, -3)
D.DataLoader(rows, 2.5)
D.DataLoader(rows, "2")
D.DataLoader(rows, 2, drop_last="no")
D.DataLoader(rows, shuffle=True, sampler=[0])
D.DataLoader(rows, 2, batch_sampler=[[0]])
D.DataLoader(rows, batch_sampler=[[0]], shuffle=True)
D.DataLoader(rows, batch_sampler=[[0]], sampler=[0])
D.DataLoader(rows, batch_sampler=[[0]], drop_last=True)
D.DataLoader(rows, None, drop_last=True)
D.DataLoader([], shuffle=True)
D.DataLoader(D.TensorDataset(X[:0]), shuffle=True)
D.DataLoader(3, shuffle=True)
list(D.DataLoader(3))
len(D.DataLoader(iter([1])))
list(D.DataLoader(rows, sampler=[9]))
list(D.DataLoader(rows, 2, sampler=[0, 9]))
list(D.DataLoader(rows, batch_sampler=[[]]))
list(D.DataLoader(rows, sampler=[0.5]))
list(D.DataLoader([None], 1))
list(D.DataLoader([(1,), (1, 2)], 2))
list(D.DataLoader([torch.zeros(1), torch.zeros(2)], 2))
D.DataLoader(rows, batchsize=2)
""")  # noqa: E501 (a snippet is a line)
def test_as_torch(code: str) -> None:
    check(DATA + code)


def test_one_index_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of a TensorDataset is not put together from samples."""
    monkeypatch.setattr(TensorDataset, "__getitem__", lambda *_: pytest.fail("a single sample"))
    dataset = TensorDataset(tg.arange(9), tg.arange(9) * 2)
    half = tg.utils.data.Subset(dataset, np.arange(8, 0, -2))
    (x, twice), *_ = DataLoader(half, 3)
    assert x.tolist() == [8, 6, 4]
    assert twice.tolist() == [16, 12, 8]


@snippets("""
x = torch.arange(6.0).reshape(3, 2).requires_grad_(); l = D.DataLoader(D.TensorDataset(x), 2)
|b = [b for (b,) in l]; sum((b * b).sum() for b in b).backward()
|[b.grad_fn.name() == torch.stack([x[0]]).grad_fn.name() for b in b], x.grad
x = torch.arange(6.0, requires_grad=True); l = D.DataLoader(D.TensorDataset(torch.ones(6), x), 3)
|[y.grad_fn.name() == torch.stack([x[0]]).grad_fn.name() for _, y in l]
""")
def test_a_batch_in_a_graph_is_stacked_from_samples(code: str) -> None:
    check(DATA + code)


@pytest.mark.skipif(sys.platform != "linux", reason="torch starts its workers otherwise")
@snippets("""
[[[*l], torch.rand(1), [*l], torch.rand(1)] for l in [D.DataLoader(rows, 4, True, num_workers=2)]]
l = D.DataLoader(rows, 4, True, num_workers=1, persistent_workers=True)
|r = [*l], torch.rand(1), [*l], torch.rand(1)
|del l
|r
g = torch.Generator().manual_seed(1); l = D.DataLoader(rows, 4, True, num_workers=1, generator=g)
|[*l], torch.rand(1, generator=g), [*l], torch.rand(1, generator=g)
""")
def test_workers_change_no_batch(code: str) -> None:
    check(DATA + code, warned=False)  # newer Pythons warn of a fork


def test_worker_init_fn_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^worker_init_fn is not supported with num_workers > 0"):
        DataLoader([1, 2], num_workers=2, worker_init_fn=print)


@snippets("""
l = D.DataLoader(rows, 4, pin_memory=True); [[*l], [*l]]
l = D.DataLoader(rows, 4, pin_memory=True, pin_memory_device="cuda"); [*l]
l = D.DataLoader(rows, 4, pin_memory_device="cuda"); [*l]
""")
def test_pinned_memory(code: str) -> None:
    if pytorch().accelerator.is_available():
        pytest.skip("torch pins memory for its accelerator")
    check(DATA + code)


def test_other_names_of_torch_are_not_here() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'IterableDataset': this engine is for"):
        tg.utils.data.IterableDataset
    with pytest.raises(ImportError, match="IterableDataset"):
        exec("from tinygrad_cls.utils.data import IterableDataset")
