"""The models that one worker holds, within a budget of memory. Bookkeeping only: no process, no clock."""

from collections.abc import Collection
from dataclasses import dataclass, field

from soundproof.engine.protocol import Source


@dataclass
class Shelf:
    """`loading` has been asked for and is not answered yet; its memory counts already.

    Sizes are the bytes of the files, which is what the weights take in float32. What a network needs beside its
    weights while it runs depends on the chunk, not on how many models are held, and is not counted.
    """

    budget_bytes: int
    loading: Source | None = None
    _held: dict[str, Source] = field(default_factory=dict)  # by digest, the least recently used first

    def holds(self, digest: str) -> bool:
        """Whether the worker has loaded it."""
        return digest in self._held

    def expects(self, digest: str) -> bool:
        """Whether the worker has loaded it, or is about to."""
        return digest in self._held or (self.loading is not None and self.loading.digest == digest)

    @property
    def held(self) -> tuple[Source, ...]:
        """What is loaded, the least recently used first."""
        return tuple(self._held.values())

    @property
    def size_bytes(self) -> int:
        """Of all that is loaded."""
        return sum(source.size_bytes for source in self._held.values())

    def use(self, digest: str) -> None:
        """It is the most recently used now."""
        self._held[digest] = self._held.pop(digest)

    def way_for(self, source: Source, needed: Collection[str]) -> tuple[str, ...] | None:
        """The digests that must go before `source` can be loaded, the least recently used first; () where there is
        room. None while what is `needed`, or being loaded, leaves none.

        A model larger than the whole budget is let in where nothing else has to stay.
        """
        stays = sum(other.size_bytes for other in self._held.values() if other.digest in needed)
        alone = not any(digest in needed for digest in self._held) and self.loading is None
        if self.loading is not None:
            stays += self.loading.size_bytes
        if stays + source.size_bytes > self.budget_bytes and not alone:
            return None
        going: list[str] = []
        taken = self.size_bytes + (self.loading.size_bytes if self.loading else 0)
        for other in self._held.values():
            if taken + source.size_bytes <= self.budget_bytes:
                break
            if other.digest not in needed:
                going.append(other.digest)
                taken -= other.size_bytes
        return tuple(going)

    def load(self, source: Source) -> None:
        """It was asked for."""
        self.loading = source

    def loaded(self, digest: str) -> None:
        """What was asked for is there."""
        if self.loading is not None and self.loading.digest == digest:
            self._held[digest] = self.loading
            self.loading = None

    def refused(self, digest: str) -> None:
        """What was asked for will not come."""
        if self.loading is not None and self.loading.digest == digest:
            self.loading = None

    def remove(self, digest: str) -> None:
        self._held.pop(digest, None)

    def clear(self) -> None:
        """The worker is gone."""
        self._held.clear()
        self.loading = None
