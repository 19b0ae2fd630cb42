"""The rules of backward in Korean words."""

from __future__ import annotations

import ast
import functools

from ..op import Op
from .rules import ATOM, BINARY, Symbols, expression, is_other

# fmt: off
INFIX: dict[type[ast.AST], str] = {
    ast.Add: "더하기", ast.Sub: "빼기", ast.Mult: "곱하기", ast.Div: "나누기",
    ast.FloorDiv: "나눈 몫", ast.Mod: "나눈 나머지", ast.Pow: "거듭제곱",
    ast.BitAnd: "그리고", ast.BitOr: "또는",
}
CALLS = {
    "rows": "{0}의 행들을 모두 더한 것", "sum": "{0}의 합", "exp": "e의 {0} 제곱",
    "spread": "{0}을(를) 더해졌던 축을 따라 되풀이한 것",
    "broadcast_to": "{0}을(를) 더해졌던 축을 따라 되풀이한 것",
    "sum_to": "{0}을(를) 되풀이됐던 축을 따라 더한 것",
    "reshaped": "입력 모양으로 되돌린 {0}", "permuted": "축의 순서를 되돌린 {0}",
    "put": "골라졌던 자리에 {0}, 나머지는 0", "put_along": "골라졌던 자리에 {0}, 나머지는 0",
    "nll_adjoint": "골라졌던 자리에 {0}, 나머지는 0", "getitem": "{0} 가운데 이 입력의 몫",
    "take_along": "{0} 가운데 이 입력의 몫", "zeros_of": "0", "count": "n",
}
# fmt: on


@functools.lru_cache(maxsize=1024)
def korean(op: Op | None, slot: int) -> str:
    """The rule of ``op`` for its input ``slot``, as :func:`~tinygrad_cls.trace.rules.rule` says it
    in English.

    >>> from tinygrad_cls import ops
    >>> korean(ops.mul, 0), korean(ops.relu, 0)
    ('들어온 기울기 곱하기 b', 'y ≠ 0인 곳은 들어온 기울기, 나머지는 0')
    """
    if op is None:
        return "Function의 backward가 돌려준 것"
    body = expression(op.formula(slot).function)
    return "소스를 볼 수 없는 함수" if body is None else Korean(op.inputs).of(body)


class Korean(Symbols):
    """Writes a formula as a sentence."""

    g = "들어온 기울기"

    def put(self, node: ast.expr) -> tuple[str, int]:
        match node:
            case ast.Attribute(value=value, attr="T" | "mT"):
                return f"전치한 {self.of(value)}", ATOM
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"{self.of(test)}이면 {self.of(body)}, 아니면 {self.of(orelse)}", 0
        return super().put(node)

    def binary(self, left: ast.expr, op: ast.operator, right: ast.expr) -> tuple[str, int]:
        tight = BINARY[type(op)][2]
        closer = ATOM if is_other(op, right) else tight
        return f"{self.inside(left, tight)} {INFIX[type(op)]} {self.inside(right, closer)}", tight

    def call(self, name: str, args: list[ast.expr]) -> tuple[str, int]:
        a = [self.of(x) for x in args]
        match name, a:
            case "product", [x, y]:
                return f"{x}와(과) {y}의 행렬곱", 4
            case "mT", [x]:
                return f"전치한 {x}", ATOM
            case "where_both" | "where", [mask, x, y]:
                return f"{mask}인 곳은 {x}, 나머지는 {y}", 0
            case "masked_fill", [x, mask, y]:
                return f"{x}, 다만 {mask}인 곳은 {y}", 0
        if name in CALLS:
            return CALLS[name].format(*a), 4
        return super().call(name, args)
