"""Who evaluates chunks: this process, a pool of processes on its cores, or a dask cluster, behind one interface."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Protocol

from archsim.core.errors import ArchsimError, InputError, Problem
from archsim.explore.chunks import Chunk
from archsim.explore.evaluate_points import PointEvaluator
from archsim.explore.results import PointResult
from archsim.explore.space import Space
from archsim.explore.study import EvaluatorSpec
from archsim.explore.version import model_version


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What a process needs to evaluate chunks of a run; known by the run's hash."""

    run_hash: str
    spec: EvaluatorSpec
    space: Space

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.run_hash == other.run_hash

    def __hash__(self) -> int:
        return hash(self.run_hash)


def evaluate_chunk(recipe: Recipe, chunk: Chunk) -> list[PointResult]:
    """The rows of a chunk, in whatever process. Raises ArchsimError where that has another version of the model."""
    evaluator, space, alone = _evaluator(recipe)
    with alone:
        return evaluator.evaluate(chunk.points(space))


@lru_cache(maxsize=2)
def _evaluator(recipe: Recipe) -> tuple[PointEvaluator, Space, threading.Lock]:
    """The evaluator of a run, kept for its next chunk with all that it has learnt; it is one thread's at a time."""
    if recipe.spec.model_version != model_version():
        message = f"a worker has another version of archsim: {model_version()}, not {recipe.spec.model_version}"
        raise ArchsimError(f"{message}: install the same one, or start a new run")
    return PointEvaluator(recipe.spec), recipe.space, threading.Lock()


class Workers(Protocol):
    """An executor that can be had anew after it broke."""

    width: int
    """Chunks worked on at once, with some in reserve."""
    lost: tuple[type[BaseException], ...]
    """Errors that say a worker died, not that its work failed."""

    def submit(self, recipe: Recipe, chunk: Chunk) -> Future[list[PointResult]]: ...

    def restart(self) -> None:
        """Replace an executor that lost a worker."""

    def stop(self) -> None:
        """End at once, whatever is in flight."""


class InProcess:
    """Chunks evaluated here, one after the other."""

    width = 1
    lost: tuple[type[BaseException], ...] = ()

    def submit(self, recipe: Recipe, chunk: Chunk) -> Future[list[PointResult]]:
        future: Future[list[PointResult]] = Future()
        future.set_result(evaluate_chunk(recipe, chunk))
        return future

    def restart(self) -> None:
        """Nothing can be lost."""

    def stop(self) -> None:
        """Nothing is in flight."""


class _Spawning(SpawnContext):
    """Starts processes and remembers them, so that they can be ended at once."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        process = SpawnProcess(*args, **kwargs)
        self.started.append(process)
        return process


class LocalProcesses:
    """A pool of processes. They start fresh (no fork), do not hear ctrl-C, and end when this process does."""

    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)

    def __init__(self, count: int) -> None:
        self.count = count
        self.width = count + (count + 1) // 2
        self._context = _Spawning()
        self._pool = self._new()

    def _new(self) -> Executor:
        from concurrent.futures import ProcessPoolExecutor

        return ProcessPoolExecutor(self.count, mp_context=self._context, initializer=_begin)

    def submit(self, recipe: Recipe, chunk: Chunk) -> Future[list[PointResult]]:
        with _interrupts_held():  # a process inherits that, until it is ready to ignore them
            return self._pool.submit(evaluate_chunk, recipe, chunk)

    def restart(self) -> None:
        self.stop()
        self._context.started.clear()
        self._pool = self._new()

    def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._context.started:
            if process.is_alive():
                process.kill()
        for process in self._context.started:
            process.join()

    @property
    def processes(self) -> list[int]:
        """Process numbers of the workers."""
        return [process.pid for process in self._context.started if process.pid is not None and process.is_alive()]


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold back ctrl-C; it comes afterwards. Only the main thread of a Unix process hears it at all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """What a worker process does first."""
    from archsim.core.kernels import start_without_linear_algebra

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start_without_linear_algebra()


def _end_with_parent() -> None:
    """Leave when the process that started this one is gone: a pool's workers would wait for work for ever."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _connected(client_type: Any, address: str) -> Any:
    """A client of the scheduler at `address`. Dask gives its own thread ten seconds to start and then only asserts."""
    try:
        return client_type(address, timeout=CONNECT_S)
    except AssertionError:
        return client_type(address, timeout=CONNECT_S)


class DaskCluster:
    """Workers of a dask cluster; it replaces those that die by itself."""

    def __init__(self, address: str) -> None:
        client_type, self.lost = _dask()
        try:
            self._client = _connected(client_type, address)
        except (OSError, ValueError) as error:
            raise InputError(Problem(key="--cluster", message=f"no dask scheduler at '{address}': {error}")) from None
        threads = sum(self._client.ncores().values())
        if not threads:
            self._client.close()
            raise ArchsimError(f"the dask cluster at {address} has no workers")
        self.width = threads + (threads + 1) // 2
        self._pool: Executor = self._client.get_executor(pure=False)

    def submit(self, recipe: Recipe, chunk: Chunk) -> Future[list[PointResult]]:
        return self._pool.submit(evaluate_chunk, recipe, chunk)

    def restart(self) -> None:
        self._pool = self._client.get_executor(pure=False)

    def stop(self) -> None:
        self._pool.shutdown(wait=False)
        self._client.close()


CONNECT_S = 10


def _dask() -> tuple[Callable[..., Any], tuple[type[BaseException], ...]]:
    """Dask's client, and the errors that mean a lost worker. Raises InputError without dask."""
    try:
        from distributed import Client as _Client
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm.core import CommClosedError
    except ImportError:
        hint = "pip install 'archsim[cluster]'"
        raise InputError(Problem(key="--cluster", message="needs dask.distributed", hint=hint)) from None

    client: Any = _Client  # dask has no types

    class Connecting(client):  # type: ignore[misc]
        """Closes at once where it cannot connect: collected later as garbage it would wait for a lock of dask's, which
        the thread that collects may hold."""

        def __init__(self, address: str, *, timeout: float) -> None:
            try:
                super().__init__(address, timeout=timeout)
            except (OSError, ValueError):
                self.close()
                raise

    return Connecting, (KilledWorker, FutureCancelledError, CommClosedError)


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def workers_for(count: int | None, cluster: str | None, chunks: int) -> Workers:
    """As many processes as asked for (one for each core, if not said), but no more than there are chunks."""
    if cluster is not None:
        return DaskCluster(cluster)
    number = 1 if chunks == 1 else min(cores() if count is None else count, max(1, chunks))
    return InProcess() if number == 1 else LocalProcesses(number)
