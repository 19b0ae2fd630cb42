"""JAX: one compiled function a step, or one for many steps."""

from typing import Any

import numpy as np

from benchmarks.engines.base import Engine, Read
from benchmarks.engines.functional import forward, hits, loss_of
from benchmarks.tasks import Array, Task


class Jit(Engine):
    """jax.jit of a whole step; the loss is read after each."""

    name = "JAX jit"
    package = "jax"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.jax: Any = self.load()
        self.jax.config.update("jax_platforms", "cpu")
        self.jax.config.update("jax_enable_x64", True)  # float32 arrays stay what they are
        if not task.fresh:
            self.batches = [self.jax.device_put(batch) for batch in self.batches]
        self.test = self.jax.device_put(task.test())
        self.compiled = self.jax.jit(self.update)
        self.reset()

    def update(self, weights: Any, batch: Any) -> Any:
        """Return the new weights, the gradients, and what is read."""
        jnp, task = self.jax.numpy, self.task

        def loss_and_logits(weights: Any, X: Any, y: Any) -> Any:
            logits = forward(jnp, task, weights, X)
            return loss_of(jnp, task, logits, y), logits

        differentiate = self.jax.value_and_grad(loss_and_logits, has_aux=True)
        (loss, logits), gradients = differentiate(weights, *batch)
        weights = [w - task.lr * g for w, g in zip(weights, gradients, strict=True)]
        read: tuple[Any, ...] = (loss,)
        if task.epoch:
            X, y = self.test
            test_logits = forward(jnp, task, weights, X)
            read = (
                loss,
                loss_of(jnp, task, test_logits, y),
                100 * hits(jnp, task, logits, batch[1]) / task.points,
                100 * hits(jnp, task, test_logits, y) / len(y),
            )
        return weights, gradients, read

    def reset(self) -> None:
        self.turn = 0
        self.weights = self.jax.device_put(self.task.weights())

    def step(self) -> Read:
        self.weights, self.gradients, read = self.compiled(self.weights, self.batch())
        return tuple(map(float, read))

    def state(self) -> dict[str, Array]:
        return self.named(self.weights, self.gradients)


class Scan(Jit):
    """jax.lax.scan over the steps of a sample; their losses are read together at its end."""

    name = "JAX scan"
    note = "all steps of a sample in one call; their losses are read when it ends, not in between"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.scan = self.jax.jit(self.steps, static_argnums=2)

    def steps(self, weights: Any, batch: Any, steps: int) -> Any:
        """Return the weights and gradients after all steps, and what each of them reads."""

        def body(carry: Any, fresh: Any) -> Any:
            weights, gradients, read = self.update(carry[0], fresh or batch)
            return (weights, gradients), read

        fresh, batch = (batch, None) if self.task.fresh else ((), batch)
        carry = (weights, [0 * w for w in weights])
        return self.jax.lax.scan(body, carry, fresh, length=steps)

    def run(self, steps: int) -> list[Read]:
        batch: Any = self.batch()
        if self.task.fresh:
            taken = [batch] + [self.batch() for _ in range(steps - 1)]
            batch = tuple(map(np.stack, zip(*taken, strict=True)))
        (self.weights, self.gradients), read = self.scan(self.weights, batch, steps)
        return list(zip(*(np.asarray(values).tolist() for values in read), strict=True))

    def step(self) -> Read:
        return self.run(1)[0]
