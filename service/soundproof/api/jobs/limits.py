"""What a job may be."""

import asyncio
from dataclasses import dataclass, field

# Jobs unpacked at a time: it takes a core each.
UNPACKING = 2


@dataclass(frozen=True, kw_only=True)
class JobLimits:
    """One for the whole service. `clips` of a job; `clip_bytes` of a single file; `expanded_bytes` of all clips
    together, unpacked; `expansion_ratio`, unpacked : packed bytes of an archive; `samples`, largest n and n0."""

    clips: int
    clip_bytes: int
    expanded_bytes: int
    expansion_ratio: float
    samples: int
    unpacking: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(UNPACKING), init=False, repr=False, compare=False
    )

    @property
    def entries(self) -> int:
        """Of an archive. Beside a clip there may be its folder, what macOS keeps of it, and a header of its header."""
        return 4 * self.clips + 1000
