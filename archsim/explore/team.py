"""Chunks handed out to workers, and handed out again when one dies."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait

from archsim.core.errors import ArchsimError
from archsim.explore.chunks import Chunk
from archsim.explore.results import PointResult
from archsim.explore.workers import Recipe, Workers

MOST_DEATHS = 5
"""Workers that may die over one chunk, one after the other and nothing finished, before the run gives up."""


class WorkersLostError(ArchsimError):
    """Workers die, whatever is done about it."""


class Team:
    """Has chunks evaluated, a few at a time; what a dead worker had in hand goes to the next."""

    def __init__(self, recipe: Recipe, begin: Callable[[], Workers], note: Callable[[str], None]) -> None:
        self.recipe, self.note = recipe, note
        self._begin = begin
        self._workers: Workers | None = None
        self._pending: dict[Future[list[PointResult]], Chunk] = {}
        self._again: deque[Chunk] = deque()
        self._deaths: Counter[int] = Counter()
        """By the first points of chunks, since one was last finished."""

    @property
    def workers(self) -> Workers:
        """They start with the first chunk: a run that is complete needs none."""
        if self._workers is None:
            self._workers = self._begin()
        return self._workers

    def work(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, list[PointResult]]]:
        """The rows of each chunk, as they come. Raises WorkersLostError for one that kills every worker it gets."""
        waiting = deque(chunks)
        while waiting or self._pending:
            while waiting and len(self._pending) < self.workers.width:
                chunk = waiting.popleft()
                try:
                    self._pending[self.workers.submit(self.recipe, chunk)] = chunk
                except self.workers.lost:
                    waiting.extendleft(self._recovered([chunk]))
            done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
            lost = []
            for future in sorted(done, key=lambda item: self._pending[item].first):
                chunk = self._pending.pop(future)
                try:
                    rows = future.result()
                except self.workers.lost:
                    lost.append(chunk)
                else:
                    yield chunk, rows
            if lost:
                waiting.extendleft(self._recovered(lost))

    def _recovered(self, lost: list[Chunk]) -> list[Chunk]:
        """The chunks to do again after a worker died, last first; all that were in hand go with it."""
        chunks = sorted([*lost, *self._pending.values()], key=lambda chunk: -chunk.first)
        self._pending.clear()
        names = ", ".join(str(chunk) for chunk in reversed(chunks))
        for chunk in chunks:
            self._deaths[chunk.first] += 1
        worst = max(chunks, key=lambda chunk: self._deaths[chunk.first])
        if self._deaths[worst.first] >= MOST_DEATHS:
            raise ArchsimError(
                f"{MOST_DEATHS} workers died one after the other over {worst}: too little memory, or killed"
            )
        self.note(f"a worker died (killed, or out of memory): {names} are evaluated again")
        self.workers.restart()
        return chunks

    def stop(self) -> None:
        """End all workers at once."""
        for future in self._pending:
            future.cancel()
        if self._workers is not None:
            self._workers.stop()
