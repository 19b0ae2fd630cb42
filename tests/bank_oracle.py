"""An oracle for the bank that shares no line with the judge: one-sided differences in extended
precision, and a few plain questions about shapes, state and layout.
"""

import warnings

import numpy as np

LEVELS = 46


class Silent:
    """No warnings: the bank goes where numbers overflow."""

    def __enter__(self):
        self.floats, self.caught = np.errstate(all="ignore"), warnings.catch_warnings()
        self.floats.__enter__()
        self.caught.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, *args):
        self.caught.__exit__(*args)
        self.floats.__exit__(*args)


def parts(y):
    return [np.asarray(a) for a in (y if isinstance(y, tuple | list) else (y,))]


def is_real(x):
    return x.dtype.kind == "f"


class Along:
    """sum(g * f(x + t d)) as a function of t, in extended precision where NumPy has it."""

    def __init__(self, f, inputs, g):
        self.f, self.g, self.dtype = f, g, np.longdouble
        try:
            self(0.0, inputs, inputs)
        except TypeError:  # numpy.linalg knows float64 only
            self.dtype = np.float64
        self.eps = np.finfo(self.dtype).eps

    def __call__(self, t, inputs, directions):
        moved = [
            x.astype(self.dtype) + self.dtype(t) * d.astype(self.dtype) if is_real(x) else x.copy()
            for x, d in zip(inputs, directions, strict=True)
        ]
        try:
            ys = parts(self.f(*moved))
        except (ValueError, IndexError):
            return self.dtype(np.nan)
        return sum((y * g).sum(dtype=self.dtype) for y, g in zip(ys, self.g, strict=True))


def one_sided(phi, scale, side):
    """The slope to one side, and how far it may be off: Richardson at all steps, the calmest."""
    h = side * scale * 0.5 ** np.arange(3, 3 + LEVELS, dtype=np.longdouble)
    start = phi(0.0)
    values = np.array([phi(step) for step in h])
    table = (values - start) / h
    noise = np.abs(values) * phi.eps / np.abs(h) * 8
    for k in (1, 2, 3):
        table = (2**k * table[1:] - table[:-1]) / (2**k - 1)
    found, noise = table[:-2], noise[: len(table) - 2] * 30
    error = np.abs(np.diff(table))[:-1] + np.abs(table[2:] - table[:-2]) + noise
    error = np.where(np.isfinite(found) & np.isfinite(error), error, np.inf)
    best = int(error.argmin())
    if not np.isfinite(error[best]):
        return np.nan, np.inf
    return float(found[best]), float(error[best])


def interval(along, inputs, directions, scale):
    """Between what the slope may lie, and how sharply that is known; nan if it is not known."""

    def phi(t):
        return along(t, inputs, directions)

    phi.eps = along.eps
    sides = [one_sided(phi, scale, side) for side in (1, -1)]
    sides.sort(key=lambda s: s[1])
    (best, error), (other, doubt) = sides
    if not np.isfinite(error):
        return np.nan, np.nan, np.inf
    if not doubt < 1e6 * error + 1e-3 * abs(other):  # a jump, or the domain's edge
        other, doubt = best, error
    return min(best, other), max(best, other), max(error, doubt)


def wrong(f, vjp, inputs, loose=0.0, noise=0.0, at=None):
    """What is wrong with the gradient at ``inputs``: a word, "" for nothing, None if f takes no
    such inputs.

    loose: a relative error that the gradient may have; noise: one that f has; at: the coordinates
    to look at, None for all.
    """
    rng = np.random.default_rng(0)
    given = [x.copy(order="K") for x in inputs]
    try:
        y = f(*given)
    except Exception:
        return None
    ys = parts(y)
    if not all(np.isfinite(y).all() for y in ys):
        return None
    gs = [np.asarray(rng.standard_normal(y.shape).astype(y.dtype)) for y in ys]
    sent = [g.copy() for g in gs]
    try:
        found = vjp(tuple(sent) if isinstance(y, tuple | list) else sent[0], *given)
    except Exception:
        return "raises"
    if any(not np.array_equal(a, b) for a, b in zip(given, inputs, strict=True)):
        return "mutates input"
    if any(not np.array_equal(a, b) for a, b in zip(sent, gs, strict=True)):
        return "mutates cotangent"
    found = list(found) if isinstance(found, tuple | list) else [found]
    if len(found) != len(inputs):
        return "arity"
    for d, x in zip(found, inputs, strict=True):
        if d is not None and (not is_real(x) or d.shape != x.shape):
            return "shape" if is_real(x) else "integer input"
        if d is not None and np.asarray(d).dtype.itemsize < x.dtype.itemsize:
            return "dtype"
    kept = [None if d is None else np.array(d, dtype=np.float64) for d in found]
    along = Along(f, inputs, gs)
    along.eps = max(along.eps, noise)
    zeros = [np.zeros_like(x) for x in inputs]
    eps = max([loose, *(64 * np.finfo(x.dtype).eps for x in inputs if is_real(x))])
    full = [np.zeros(x.shape) if d is None else d for d, x in zip(kept, inputs, strict=True)]
    for i, x in enumerate(inputs):
        size = np.nanmax(np.abs(full[i]), initial=0)
        for k in (np.ndindex(x.shape) if at is None else at) if is_real(x) else ():
            d = [z.copy() for z in zeros]
            d[i][k] = 1
            if not legal(along, inputs, d, full[i][k], size, float(abs(x[k])), eps):
                return "value"
    for value in repeats(inputs):
        d = [
            (x == value).astype(float) if is_real(x) else z
            for x, z in zip(inputs, zeros, strict=True)
        ]
        total = sum(float((a * b).sum()) for a, b in zip(full, d, strict=True))
        size = sum(float(np.abs(a * b).sum()) for a, b in zip(full, d, strict=True))
        if np.isfinite(total) and not legal(along, inputs, d, total, size, float(abs(value)), eps):
            return "ties"
    return ""


def repeats(inputs):
    """Values that more than one element of the real inputs has."""
    together = np.concatenate([x.ravel() for x in inputs if is_real(x)] or [np.zeros(0)])
    values, counts = np.unique(together, return_counts=True)
    return values[counts > 1][:4]


def doubt(found):
    """How far an interval may be off, relative to its size."""
    low, high, error = found
    size = max(abs(low), abs(high))
    return error / size if size > 0 and np.isfinite(error) else error


def legal(along, inputs, directions, yours, size, near, eps):
    """Whether a directional slope is a legal one; True if differences can't say."""
    scales = {1.0, near if near > 100 or 0 < near < 1e-3 else 1.0}
    low, high, error = min((interval(along, inputs, directions, s) for s in scales), key=doubt)
    if not np.isfinite(yours):
        steep = [
            along(h, inputs, directions) - along(0.0, inputs, directions) for h in (1e-4, 1e-8)
        ]
        return bool(np.isinf(yours) and abs(steep[1]) / 1e-8 > 10 * abs(steep[0]) / 1e-4)
    if not error < 1e-2 * max(size, abs(low), abs(high)):
        return True
    slack = 3 * error + eps * max(size, abs(low), abs(high))
    return low - slack <= yours <= high + slack


def variants(inputs):
    """The same inputs laid out otherwise, in other sizes, and other values of the same shapes."""
    real = [is_real(x) for x in inputs]

    def each(change):
        return [change(x) if r else x for x, r in zip(inputs, real, strict=True)]

    yield "layout", each(lambda x: np.array(x, order="F"))
    for size in (1, 0):
        for axis in (0, 1):
            yield (
                "sizes",
                [x[(slice(None),) * axis + (slice(size),)] if x.ndim > axis else x for x in inputs],
            )
        yield "sizes", each(lambda x, size=size: x[(slice(size),) * x.ndim])
        if inputs[0].ndim:
            yield "sizes", [inputs[0][:size], *inputs[1:]]
    if all(real):
        yield "sizes", [x.ravel()[:1].reshape(()) for x in inputs if x.size]
    yield "large", each(lambda x: 300 * x)
    yield "large", each(lambda x: -40 * x)
    yield "zero", each(lambda x: np.where(np.arange(x.size).reshape(x.shape) % 3, x, 0 * x))
    yield "tied", each(lambda x: np.full_like(x, 1.5))


def remembers(make, inputs):
    """What a backward keeps from call to call: a word, "" for nothing."""
    rng = np.random.default_rng(0)

    def fresh(sign=1):
        return [sign * x if is_real(x) else x.copy() for x in inputs]

    def pulled(g, sign=1):
        d = vjp(g, *fresh(sign))
        return d if isinstance(d, tuple | list) else (d,)

    def copies(ds):
        return [None if d is None else np.array(d) for d in ds]

    def same(one, other):
        pairs = zip(one, other, strict=True)
        return all(a is b is None or np.array_equal(a, b) for a, b in pairs)

    f, vjp = make()[:2]
    y = np.asarray(f(*fresh()))
    g, h = (np.asarray(rng.standard_normal(y.shape)) for _ in range(2))
    first = pulled(g)
    kept = copies(first)
    pulled(h)
    if not same(first, kept):
        return "shared buffer"
    if not same(pulled(g), kept):
        return "not repeatable"
    f(*fresh(-0.7))
    if not same(pulled(g), kept):
        return "reads the last forward"
    if y.flags.writeable and y.ndim:
        f(*fresh())[...] = 0.5
        if not same(pulled(g), kept):
            return "reads its output"
    f, vjp = make()[:2]
    f(*fresh(-0.7))
    pulled(g, -0.7)
    f(*fresh())
    if not same(pulled(g), kept):
        return "reads the first call"
    for a, b in zip(pulled(np.array(g, order="F")), kept, strict=True):
        if b is not None and not np.allclose(a, b, 1e3 * np.finfo(b.dtype).eps):
            return "layout"
    return ""


def second_order(vjp, vjp2, x):
    """Whether the pullback of ``vjp`` is its derivative, by differences in extended precision."""
    rng = np.random.default_rng(0)
    g, h = rng.standard_normal((2, *x.shape))
    found = [np.asarray(d) for d in vjp2(h, g, x)]
    along = Along(lambda g, x: vjp(g, x), [g, x], [h])
    for i, a in enumerate((g, x)):
        for k in np.ndindex(x.shape):
            d = [np.zeros_like(x), np.zeros_like(x)]
            d[i][k] = 1
            if not legal(along, [g, x], d, found[i][k], np.abs(found[i]).max(), abs(a[k]), 1e-13):
                return False
    return True
