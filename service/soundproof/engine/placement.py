"""Which worker loads which model, and which models give way. Decided here, in the coordinator, and only obeyed by the
workers: messages keep their order, so both sides always agree on what a worker holds.

Where memory is short, a run whose model finds no room, because models of runs that are being worked on take it all,
keeps younger runs from beginning on one worker until that one has let go of enough. It waits for the runs that are
begun there, and for those of the same models that were admitted before these were loaded: for no later ones. So two
models that take turns in one place are loaded once for all runs that wait, and neither starves.
"""

from collections.abc import Callable, Sequence

from soundproof.engine.protocol import RunId, Source
from soundproof.engine.run import Run
from soundproof.engine.slot import Slot


class Placement:
    """`runs`: all unfinished ones, the oldest first; the pool adds and removes them. `evicted` is told how many models
    had to go for want of memory."""

    def __init__(
        self, slots: Sequence[Slot], runs: dict[RunId, Run], evicted: Callable[[int], None] = lambda _: None
    ) -> None:
        self.offered: tuple[Source, ...] = ()  # what new runs may ask for, the default first
        self.trials: set[str] = set()  # digests about to be offered, that stay meanwhile
        self._slots = slots
        self._runs = runs
        self._evicted = evicted
        self._reserved: dict[Slot, RunId] = {}  # the run that waits for the memory of that worker
        self._newest: dict[tuple[Slot, str], RunId] = {}  # the last run admitted before that model was loaded there

    def settle(self) -> None:
        """Send for every model that is wanted and that no worker has or expects; let go of what nobody can want."""
        self._release()
        newest = next(reversed(self._runs), 0)
        held = [(slot, source.digest) for slot in self._slots for source in slot.shelf.held]
        self._newest = {each: self._newest.get(each, newest) for each in held}
        self._reserved.clear()
        wanted: set[str] = set()
        for run in self._runs.values():
            digest = run.source.digest
            if not run.done.done() and digest not in wanted and not self._expected(digest):
                self._send_for(run, frozenset(wanted))
            wanted.add(digest)
        for slot in self._slots:
            self._fill(slot, self.offered)

    def spread(self) -> None:
        """Let a worker that has nothing to do load a model of which another has more work than it can take, where
        there is room."""
        for slot in self._slots:
            if slot.ready and not slot.inflight:
                for run in self._runs.values():
                    if run.pending and not run.done.done() and self._held(run.source.digest):
                        self._fill(slot, (run.source,))

    def may_begin(self, slot: Slot, run: Run) -> bool:
        """Whether a run may be dealt to a worker that has its model: not over the head of an older one that waits."""
        waiting = self._reserved.get(slot)
        return (
            waiting is None
            or run.id < waiting
            or slot.has_begun(run.id)
            or run.id <= self._newest.get((slot, run.source.digest), 0)
        )

    def try_out(self, source: Source, replaced: str, *, in_its_place: bool = False) -> bool:
        """Load a model before anyone asks for it, beside the one it replaces. Whether it was asked for, or is there:
        False where no worker has room for both now. `in_its_place`: the replaced one may go, where no run uses it."""
        self.trials.add(source.digest)
        needed = {run.source.digest for run in self._runs.values()}
        if not in_its_place:
            needed.add(replaced)
        if self._expected(source.digest):
            return True
        slots = [slot for slot in self._slots if slot.ready and slot.shelf.loading is None]
        for slot in sorted(slots, key=lambda slot: not slot.shelf.holds(replaced)):
            going = slot.shelf.way_for(source, needed)
            if going is not None:
                self._load(slot, source, going)
                return True
        return False

    def _expected(self, digest: str) -> bool:
        return any(slot.shelf.expects(digest) for slot in self._slots)

    def _held(self, digest: str) -> bool:
        return any(slot.shelf.holds(digest) for slot in self._slots)

    def _send_for(self, run: Run, wanted: frozenset[str]) -> None:
        """`wanted`: by older runs, hence not to be taken from them."""
        source = run.source
        able = [slot for slot in self._slots if self._able(slot, source) and slot not in self._reserved]
        ways = [(slot, slot.shelf.way_for(source, slot.in_use | wanted)) for slot in able]
        open_ways = [(slot, going) for slot, going in ways if going is not None]
        if open_ways:
            slot, going = min(
                open_ways, key=lambda way: (way[0].shelf.loading is not None, len(way[1]), len(way[0].inflight))
            )
            if slot.shelf.loading is None:  # else as soon as that is loaded
                self._load(slot, source, going)
        elif able:
            self._reserved[min(able, key=lambda slot: slot.runs)] = run.id

    def _fill(self, slot: Slot, sources: Sequence[Source]) -> None:
        """Load the first of these that the worker can serve, unless it is there or something would have to go."""
        for source in sources:
            if self._able(slot, source):
                idle = slot.shelf.loading is None and not slot.shelf.holds(source.digest)
                if idle and slot not in self._reserved and slot.shelf.way_for(source, slot.in_use) == ():
                    self._load(slot, source, ())
                return

    def _able(self, slot: Slot, source: Source) -> bool:
        return slot.ready is not None and source.digest not in slot.refused

    def _load(self, slot: Slot, source: Source, going: tuple[str, ...]) -> None:
        if going:
            self._evicted(len(going))
        slot.load(source, going)

    def _release(self) -> None:
        """Old versions and removed models leave when the last run that needs them has."""
        needed = {source.digest for source in self.offered} | self.trials
        needed |= {run.source.digest for run in self._runs.values()}
        for slot in self._slots:
            for source in slot.shelf.held:
                if source.digest not in needed:
                    slot.unload(source.digest)
