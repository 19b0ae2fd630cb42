"""What an op is: a kernel, its derivatives, its shape law and its doc. Nothing here knows Tensor.

    mul = op("(...),(...)->(...)", "a b",
        d_a=lambda g, b: g * b, d_b=lambda g, a: g * a)(np.multiply)

The parameter names of a derivative say what it needs. ``g`` is the incoming cotangent, an input's
name saves that input for backward and ``y`` the output; ``<input>_shape`` and ``<input>_dtype``
save just these; any other name is a static argument of the kernel. A missing ``d_`` means "not
differentiable".
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

from numpy import generic, ndarray

from . import definition, errors
from .law import Law

EXPLAINED = (ValueError, IndexError, TypeError, ZeroDivisionError)
"""What a kernel raises when its inputs do not fit; the law says why."""


class Formula:
    """One derivative: ``d_x=lambda g, y: g * y`` and the names of what it needs beside ``g``."""

    def __init__(self, function: Callable[..., Any], needs: tuple[str, ...] | None = None) -> None:
        self.function = function
        self.needs = definition.names(function)[1:] if needs is None else needs

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "function":  # fed arrays, the table's own calls kernels where it names ops
            self.on_arrays = value
            if isinstance(value, FunctionType) and value.__module__ == f"{__package__}.ops":
                kernels = value.__globals__["KERNELS"]
                self.on_arrays = FunctionType(value.__code__, kernels, closure=value.__closure__)


class Memory(NamedTuple):
    """What a node keeps of its inputs and output, by the names that its formulas use."""

    values: list[tuple[str, int]]  # of which input; -1 for the output
    others: list[tuple[str, str, int]]  # "shape" or "dtype" of which input, "shapes", "static"


class Op:
    """An entry of the table. Call it with arrays and it computes; with Tensors, it is recorded."""

    def __init__(
        self,
        kernel: Callable[..., Any],
        law: str,
        doc: str,
        formulas: dict[str, Any],
        types: str,
        view: bool,
        quiet: bool,
        examples: tuple[str, ...],
    ) -> None:
        self.kernel = kernel
        self.name = self.__name__ = kernel.__name__
        self.law = Law(law)
        self.__doc__ = doc or kernel.__doc__
        self.types = types
        self.view = view
        self.quiet = quiet or view
        self.examples = examples
        count = len(self.law.inputs)
        parameters = definition.parameters(kernel)
        if not parameters:
            names = [name[2:] for name in formulas] or ["x"] if count == 1 else ["a", "b", "c"]
            self.inputs, self.static = tuple(names[:count]), {}
        else:
            self.inputs = tuple(p.name for p in parameters[:count])
            self.static = {p.name: p.default for p in parameters[count:] if p.name != "out"}
        made = {name: Formula(formula) for name, formula in formulas.items()}
        definition.check(self, made)
        self.formulas = {self.inputs.index(name[2:]): formula for name, formula in made.items()}
        self.required = [
            name for name, value in self.static.items() if value is inspect.Parameter.empty
        ]
        self.variadic = self.law.variadic
        self.arity = -1 if self.variadic else len(self.inputs)
        self.least = self.arity + len(self.required)
        self.broadcasts = sum("..." in axes or "?" in axes for axes in self.law.inputs) > 1
        self.participants = tuple(self.formulas) or tuple(range(count))
        self._memory: dict[tuple[int, ...], Memory] = {}

    def __repr__(self) -> str:
        return f"<op {self.name} {self.law.text}>"

    def __reduce__(self) -> str:
        return self.name  # found again as a global of the module that defined it

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        static = self.static
        if kwargs or len(args) != self.arity or self.required:
            args, static = self.bind(args, kwargs)
        for x in args:
            if type(x) is not ndarray and hasattr(x, "_apply"):
                return x._apply(self, args, static)
        if type(args[0]) is not ndarray and not isinstance(args[0], generic):
            errors.not_a_tensor(self.name, args[0])
        try:
            return self.kernel(*args, **static)
        except EXPLAINED as error:
            raise errors.explain(self, args, error, static) from None

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The inputs, and the static arguments by name with their defaults filled in."""
        n = self.arity
        if not kwargs and n < len(args) <= n + len(self.static) and len(args) >= self.least:
            static = self.static.copy()
            static.update(zip(static, args[n:], strict=False))
            return args[:n], static
        if len(args) < n or len(args) + len(kwargs) < self.least:
            return errors.bind(self, args, kwargs)
        if {*self.static, "out"} >= kwargs.keys() and (len(args) == n or self.variadic):
            return args, {**self.static, **kwargs}
        return errors.bind(self, args, kwargs)

    def formula(self, i: int) -> Formula:
        """The derivative with respect to input ``i``."""
        return self.formulas[0 if self.variadic else i]

    def memory(self, wanted: tuple[int, ...]) -> Memory:
        """What backward to the ``wanted`` inputs needs."""
        if wanted in self._memory:
            return self._memory[wanted]
        kept = Memory([], [])
        for name in dict.fromkeys(name for i in wanted for name in self.formula(i).needs):
            base, _, what = name.rpartition("_")
            if name == "y" or name in self.inputs:
                kept.values.append((name, -1 if name == "y" else self.inputs.index(name)))
            elif name in self.static:
                kept.others.append((name, "static", 0))
            elif base in self.inputs:
                kept.others.append((name, what, self.inputs.index(base)))
        self._memory[wanted] = kept  # only now that it is whole: other threads look it up
        return kept


def op(
    law: str,
    doc: str = "",
    examples: str = "",
    *,
    types: str = "promote",
    view: bool = False,
    quiet: bool = False,
    **formulas: Any,
) -> Callable[[Callable[..., Any]], Op]:
    """An op from its law, its doc, its derivatives ``d_<input>=`` and (the decorated) its kernel.

    ``examples`` are calls, such as ``"positive(3, 4); x(3, 4), dim=1"``, on which tests, docs and
    benchmarks run the op; a common law brings its own. ``types`` names the rule of
    :mod:`tinygrad_cls.dtypes` for the inputs' dtypes; ``view`` says that the result shares the
    input's memory, ``quiet`` that no value makes the kernel warn.
    """
    calls = definition.notation(law, examples, formulas)
    return lambda kernel: Op(kernel, law, doc, formulas, types, view, quiet, calls)
