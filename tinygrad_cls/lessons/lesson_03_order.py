"""
Lesson 3: Topological order: why not plain recursion
====================================================

The engine of lesson 2 is right and still useless. It recurses along every path from the end to
the start, and paths multiply: where each of 20 layers reaches the next in two ways, there are not
40 paths but more than you would like to wait for.

**Predict.** ``y = y + y``, done 16 times. How often will the recursion visit a number? And if
every number is to be visited once only, in which order, so that no slope comes too late?
"""

from heapq import heappop, heappush
from itertools import count

clock = count()


class Number:
    def __init__(self, value, parents=()):
        self.value, self.parents, self.grad, self.born = value, parents, 0.0, next(clock)

    def __add__(self, other):
        return Number(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Number(self.value * other.value, [(self, other.value), (other, self.value)])


def recursion(number, slope=1.0):
    number.grad += slope
    return 1 + sum(recursion(parent, slope * local) for parent, local in number.parents)


# %%
# A number can pass its gradient on when all who used it have contributed, not before. They were
# made later than the number itself. So go by birthday, the youngest first: that is a topological
# order, and it costs one integer for each number. A loop does, no recursion is needed.


def by_birthday(end):
    end.grad, queue, queued = 1.0, [(-end.born, end)], {end}
    while queue:
        number = heappop(queue)[1]
        for parent, local in number.parents:
            parent.grad += number.grad * local
            if parent not in queued:
                queued.add(parent)
                heappush(queue, (-parent.born, parent))
    return len(queued)


for backward, times in ((recursion, 16), (by_birthday, 16), (by_birthday, 1000)):
    x = y = Number(1.0)
    for _ in range(times):
        y = y + y
    visits = backward(y)
    print(f"{backward.__name__}, {times} layers: {visits} visits, slope {x.grad:.5g}")
assert visits == 1001, "every number is visited once"

# %%
# The recursion doubles its work with every layer; for 1000 it would outlive the sun. And the order
# matters as soon as paths differ in length: ``a`` below must wait for the longer one of its two.

x = Number(3.0)
a = x * x
by_birthday(a + a * x)
print("slope of x² + x³ at 3:", x.grad)
assert x.grad == 2 * 3 + 3 * 3**2, "a number waits for all who used it"

# %%
# **Try.** ``chain_rule`` in ``tinygrad_cls/chain_rule.py`` is this loop, for a graph of tensors:
# find the heap, and what it sorts by.
#
# **Break it.** Make this change, and the check "a number waits for all who used it" fails::
#
#     - heappush(queue, (-parent.born, parent))
#     + heappush(queue, (parent.born, parent))
