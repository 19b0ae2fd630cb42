"""Where the engines part first, looked for when the contract is broken."""

from functools import partial
from typing import Any

from tinygrad_cls.judge.divergence import Divergence, diff

from . import engine, training
from .compare import Setting


def first_divergences(setting: Setting) -> list[Divergence]:
    """Of our steps run op by op against PyTorch's and, if that finds nothing, of our replayed steps
    against the same: a replay shows no nodes.
    """
    how: dict[str, Any] = {"dtype": setting.dtype, "seed": setting.seed, "epochs": setting.epochs}
    ours = {
        eager: partial(engine.watched, experiment=setting.experiment, eager=eager, **how)
        for eager in (True, False)
    }
    theirs = partial(training.watched, experiment=setting.experiment, device=setting.device, **how)
    with training.repeatable():
        found = [diff(ours[True], theirs, names=("ours", "torch"))]
    if found[0] and not setting.eager:
        found.append(diff(ours[False], ours[True], names=("ours, replayed", "ours, eager")))
    return found
