"""What the process that decodes one file is told, on its command line."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from soundproof.audio.compressed import ContainerName

# In the place of a task: the process is to say what it is, and nothing is decoded.
ABOUT = "about"


@dataclass(frozen=True, kw_only=True)
class DecodeTask:
    """`container`: what the file is by its first bytes. `max_duration_s`, `max_samples` (of all channels): what the
    clip may have. The rest is what the process may take: bytes of address space, seconds of CPU, seconds of time."""

    container: ContainerName
    max_duration_s: float
    max_samples: int
    memory_bytes: int
    cpu_s: int
    deadline_s: int

    def most_frames(self, channels: int, sample_rate_hz: int) -> int:
        return min(int(self.max_duration_s * sample_rate_hz), self.max_samples // channels)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))
