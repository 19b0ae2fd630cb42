"""Many runs of one experiment, over seeds, learning rates and widths, on all cores or a cluster.

Every finished run is on disk before it counts, so that nothing that is killed costs one, and the
same call goes on where it stopped. `journal` and `pool` know nothing of training: the judge's
scoreboard and `python -m reference` use them as well. Needs the extra `sweep`.
"""

from .journal import Journal, JournalError
from .pool import Done, Pool, PoolError
from .progress import Progress
from .runs import Setting, Sweep
from .sweeping import complete, sweep

__all__ = [
    "Done",
    "Journal",
    "JournalError",
    "Pool",
    "PoolError",
    "Progress",
    "Setting",
    "Sweep",
    "complete",
    "sweep",
]
