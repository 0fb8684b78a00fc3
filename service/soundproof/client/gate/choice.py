"""Which clips of a suite are asked, where not all are: by a hash of their names, so that the choice is nobody's taste
and does not move from run to run."""

import hashlib
from dataclasses import dataclass

from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.suite import Clip, Suite


@dataclass(frozen=True)
class Choice:
    """`per_class` clips of every class, then `limit` of these; None: all. `seed` turns the choice into another one."""

    per_class: int | None = None
    limit: int | None = None
    seed: int = 0

    def of(self, suite: Suite) -> Suite:
        """The chosen clips in the suite's order, and the choice in words. Raises SuiteFault where it leaves none."""
        for name, count in (("--per-class", self.per_class), ("--limit", self.limit)):
            if count is not None and count < 1:
                raise SuiteFault(f"{name} {count} leaves no clip.")
        if self.per_class is None and self.limit is None:
            return suite
        chosen = self._chosen(suite)
        clips = tuple(clip for clip in suite.clips if clip.name in chosen)
        return Suite(clips, self._words(len(clips), len(suite.clips)))

    def _chosen(self, suite: Suite) -> set[str]:
        ranked = sorted(suite.clips, key=self._rank)
        if self.per_class is not None:
            by_label: dict[str, list[Clip]] = {}
            for clip in ranked:
                by_label.setdefault(clip.label, []).append(clip)
            kept = {clip.name for clips in by_label.values() for clip in clips[: self.per_class]}
            ranked = [clip for clip in ranked if clip.name in kept]
        return {clip.name for clip in ranked[: self.limit]}

    def _rank(self, clip: Clip) -> bytes:
        return hashlib.sha256(f"{self.seed}\x1f{clip.name}".encode("utf-8", "surrogateescape")).digest()

    def _words(self, chosen: int, of: int) -> str:
        most = [f"at most {self.per_class} of each class"] if self.per_class is not None else []
        most += [f"at most {self.limit} in all"] if self.limit is not None else []
        return (
            f"{chosen:,} of the suite's {of:,} clips, {' and '.join(most)}, those whose names hash lowest "
            f"(SHA-256, choice seed {self.seed})"
        )
