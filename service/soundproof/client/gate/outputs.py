"""The files a gate writes: each whole or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path

from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.journal import PastRun
from soundproof.client.gate.junit import junit
from soundproof.client.gate.markdown import markdown
from soundproof.client.gate.page import page
from soundproof.client.gate.report import Report


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`jsonl` is written by the journal as the run goes; the others when it is done. None: not wanted."""

    jsonl: Path | None
    junit: Path | None
    markdown: Path | None
    html: Path | None
    most_clips: int

    def prepare(self) -> None:
        """Their folders, before hours are spent. Raises SuiteFault where a file cannot be put, or two are one."""
        paths = self.paths
        if len({path.resolve() for path in paths}) < len(paths):
            raise SuiteFault("Two of the outputs are one file.")
        for path in paths:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_dir() or not os.access(path.parent, os.W_OK):
                    raise SuiteFault(f"{path} cannot be written.")
            except OSError as error:
                raise SuiteFault(f"{path} cannot be written: {error.strerror}.") from error

    def write(self, report: Report, past: PastRun | None) -> None:
        """Raises OSError."""
        if self.junit is not None:
            _replace(self.junit, junit(report))
        if self.markdown is not None:
            _replace(self.markdown, markdown(report).encode())
        if self.html is not None:
            _replace(self.html, page(report, past, self.most_clips).encode())

    @property
    def paths(self) -> list[Path]:
        return [path for path in (self.jsonl, self.junit, self.markdown, self.html) if path is not None]

    def written(self) -> list[str]:
        """A line that names them."""
        return [f"Wrote {', '.join(map(str, self.paths))}."] if self.paths else []


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(content)
    beside.replace(path)
