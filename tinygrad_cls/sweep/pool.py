"""Many independent pieces of work on all cores or on a cluster, through joblib.

The death of a worker costs the pieces that were under way, which are done again, and no other. A
piece that raises is finished too: with its error.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..experiments.extras import extra
from ..experiments.output import WrongCall

BACKENDS = ("loky", "dask", "ray", "serial")
IN_COMPANY, ALONE = 2, 2
"""So many deaths of workers make a suspect of a piece that was under way, beside others; and so
many more, while nothing else was, convict it: one may still be somebody else's doing."""
SILENCE = 60.0
"""Seconds without any worker of the cluster after which we stop waiting for one."""

CONNECT = 10.0
"""Seconds in which a scheduler must answer."""

Work = Callable[[Any], Any]


class PoolError(WrongCall):
    """The workers can't be reached, or are gone for good; the message says which."""


class WorkerDied(Exception):
    """A process that did our work ended without a result."""


@dataclass(frozen=True)
class Done:
    """A finished piece: what `work` returned, or the error it ended with, as one line."""

    key: str
    value: Any = None
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Pool:
    """Where work is done.

    backend: ``"loky"``, processes of this machine; ``"dask"`` and ``"ray"``, a cluster, at
    `address` or else made on this machine; ``"serial"``, this process. jobs: how many processes,
    by default one a core; a cluster at an address brings its own.
    """

    backend: str = "loky"
    jobs: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise PoolError(f"no backend is called {self.backend!r}: {', '.join(BACKENDS)}")
        if self.address is not None and self.backend not in ("dask", "ray"):
            raise PoolError(f"an address belongs to the backends dask and ray, not {self.backend}")
        if self.address is not None and self.jobs is not None:
            raise PoolError("the cluster at an address has its own number of workers: no jobs")

    def do(self, work: Work, tasks: Mapping[str, Any]) -> Iterator[Done]:
        """``work(task)`` of every task, in the order in which they are finished.

        BLAS works with one thread in each process, and a process does one piece at a time, so that
        the results are the same bits wherever they are computed.

        >>> sorted(done.value for done in Pool("serial").do(abs, {"a": -1, "b": 2}))
        [1, 2]
        """
        left = dict(tasks)
        if not left:
            return
        with extra("sweep"):
            import joblib
            import threadpoolctl  # type: ignore[import-untyped]  # noqa: F401
        jobs = self.jobs or joblib.cpu_count()
        if self.backend == "serial" or (self.backend == "loky" and jobs == 1):
            yield from (attempt(work, key, task) for key, task in left.items())
            return
        deaths: Counter[str] = Counter()
        with OPENERS[self.backend](self, jobs) as cluster:
            while left:
                crowd = [key for key in left if deaths[key] < IN_COMPANY]
                chosen = {key: left[key] for key in crowd or list(left)[:1]}
                under_way: set[str] = set()
                try:
                    for done in cluster.results(calls(work, chosen, under_way)):
                        under_way.discard(done.key)
                        del left[done.key]
                        yield done
                except WorkerDied as death:
                    cluster.probe()
                    for key in under_way:
                        deaths[key] += 1
                        if deaths[key] >= IN_COMPANY + ALONE:
                            del left[key]
                            yield Done(key, error=f"its worker died {deaths[key]} times: {death}")


def calls(work: Work, tasks: Mapping[str, Any], under_way: set[str]) -> Iterator[Any]:
    """What joblib takes, noting what it has taken."""
    from joblib import delayed

    for key, task in tasks.items():
        under_way.add(key)
        yield delayed(attempt)(work, key, task)


# --- In the worker --------------------------------------------------------------------------------

_one_at_a_time = threading.Lock()  # a Dask worker may have threads; our random stream is theirs too


def attempt(work: Work, key: str, task: Any) -> Done:
    """Do one piece. What it raises is its result."""
    from threadpoolctl import threadpool_limits

    with _one_at_a_time, threadpool_limits(1):
        start = time.perf_counter()
        try:
            value, error = work(task), ""
        except (Exception, SystemExit) as raised:  # noqa: BLE001  (a result, whatever it is)
            value, error = None, one_line(raised)
        return Done(key, value, error, time.perf_counter() - start)


def one_line(error: BaseException) -> str:
    r"""An exception in one line.

    >>> one_line(ValueError("a\nb")), one_line(KeyboardInterrupt())
    ('ValueError: a b', 'KeyboardInterrupt')
    """
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:500]}" if words else type(error).__name__


def leave_with(parent: int) -> None:
    """End this process as soon as its parent has been killed: nobody else would."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="leave_with").start()


# --- The backends ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """A joblib backend that is ready for work."""

    settings: Mapping[str, Any]
    jobs: int
    dead: tuple[type[BaseException], ...] = ()
    watched: Callable[[], None] | None = None

    def results(self, its: Iterable[Any]) -> Iterator[Done]:
        """What the calls return; WorkerDied as soon as one can't."""
        return self._polled(its) if self.watched else self._direct(its)

    def probe(self) -> None:
        """PoolError if workers die of nothing, so that no work can be blamed."""
        try:
            list(self.results(calls(bool, {"probe": 1}, set())))
        except WorkerDied as death:
            raise PoolError(f"workers die before they have work: {death}") from death

    def _direct(self, its: Iterable[Any]) -> Iterator[Done]:
        from joblib import Parallel, parallel_config

        with contextlib.ExitStack() as ending, parallel_config(n_jobs=self.jobs, **self.settings):
            parallel = Parallel(return_as="generator_unordered", batch_size=1)
            results = parallel(its)
            ending.callback(quietly_closed, results)
            try:
                yield from results
            except self.dead as error:
                raise WorkerDied(one_line(error)[:160]) from error

    def _polled(self, its: Iterable[Any]) -> Iterator[Done]:
        """The same in a thread: joblib would wait for ever for a cluster that has gone."""
        assert self.watched is not None
        found: queue.Queue[Done | BaseException | None] = queue.Queue()

        def collect() -> None:
            try:
                for done in self._direct(its):
                    found.put(done)
                found.put(None)
            except BaseException as error:  # noqa: BLE001  (raised below)
                found.put(error)

        threading.Thread(target=collect, daemon=True, name="sweep").start()
        while True:
            try:
                done = found.get(timeout=0.5)
            except queue.Empty:
                self.watched()
                continue
            if done is None:
                return
            if isinstance(done, BaseException):
                self.watched()  # may know better what has happened
                raise done
            yield done


def quietly_closed(results: Any) -> None:
    """Stop what still runs; that it is stopped early needs no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results.close()


@contextlib.contextmanager
def loky(_pool: Pool, jobs: int) -> Iterator[Cluster]:
    """Processes of this machine."""
    from joblib.externals.loky.process_executor import BrokenProcessPool

    settings = {
        "backend": "loky",
        "inner_max_num_threads": 1,
        "initializer": leave_with,
        "initargs": (os.getpid(),),
    }
    with warnings.catch_warnings():  # a worker that has grown is replaced, which costs nothing
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        yield Cluster(settings, jobs, (BrokenProcessPool,))


@contextlib.contextmanager
def dask(pool: Pool, jobs: int) -> Iterator[Cluster]:
    """Dask's scheduler at the address, or one of our own."""
    with extra("dask"):
        import dask as settings

        # What matters, we say ourselves. Read when distributed is imported, here and in workers.
        quiet = dict.fromkeys(("distributed", "distributed.client", "tornado"), "critical")
        settings.config.set({"logging": quiet})
        import distributed as untyped
    distributed: Any = untyped
    with contextlib.ExitStack() as stack:
        try:
            if pool.address is None:
                own = distributed.LocalCluster(
                    n_workers=jobs, threads_per_worker=1, dashboard_address=None
                )
                stack.callback(own.close)
                client = distributed.Client(own, set_as_default=False)
            else:
                client = distributed.Client(pool.address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise PoolError(
                f"no Dask scheduler answers at {pool.address}: start one with `dask scheduler`, or "
                "leave --address out"
            ) from error
        stack.callback(client.close, timeout=2)
        silent = 0.0

        def look() -> None:
            nonlocal silent
            if client.status != "running":
                raise PoolError(
                    f"the Dask scheduler {pool.address or ''} is gone: what was finished is kept, "
                    "and the same command goes on from there"
                )
            states = {state.status for state in list(client.futures.values())}
            if "error" in states:  # our work never raises: its worker was killed again and again
                client.cancel(list(client.futures), force=True)
                raise WorkerDied("Dask gave it up")
            now = time.monotonic()
            silent = 0.0 if client.ncores() else silent or now
            if silent and now - silent > SILENCE:
                raise PoolError(
                    f"the Dask cluster {pool.address or ''} has had no worker for {SILENCE:.0f} s: "
                    "what was finished is kept, and the same command goes on from there"
                )

        from joblib._dask import DaskDistributedBackend

        class Backend(DaskDistributedBackend):  # type: ignore[misc]
            def effective_n_jobs(self, n_jobs: int) -> int:
                # One worker, the others being restarted, would make joblib work in this process.
                return max(2, int(super().effective_n_jobs(n_jobs)))

        dead = (distributed.client.FutureCancelledError, distributed.scheduler.KilledWorker)
        yield Cluster({"backend": Backend(client=client)}, jobs, dead, look)


@contextlib.contextmanager
def ray(pool: Pool, jobs: int) -> Iterator[Cluster]:
    """Ray's cluster at the address, or one of our own."""
    with extra("ray"):
        import ray
        from ray.util.joblib.ray_backend import RayBackend

    class Backend(RayBackend):  # type: ignore[misc]  # untyped
        supports_return_generator = True  # its callbacks come, as joblib's own pools' do

    own: dict[str, Any] = {} if pool.address else {"num_cpus": jobs, "include_dashboard": False}
    try:
        ray.init(
            address=pool.address or "local", logging_level=logging.ERROR, log_to_driver=False, **own
        )
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise PoolError(f"no Ray cluster answers at {pool.address}") from error
    try:
        workers = int(ray.cluster_resources().get("CPU", jobs))
        dead = (ray.exceptions.RayError,)
        yield Cluster({"backend": Backend()}, max(2, workers), dead)
    finally:
        ray.shutdown()


OPENERS: dict[str, Callable[[Pool, int], contextlib.AbstractContextManager[Cluster]]] = {
    "loky": loky,
    "dask": dask,
    "ray": ray,
}
