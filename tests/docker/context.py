"""What of the repository a build gets to see: everything but what .dockerignore leaves out."""

from pathlib import Path

from pathspec import GitIgnoreSpec
from tests.conftest import ROOT


def files(root: Path = ROOT) -> list[Path]:
    """The files of the context, relative to it. Docker's patterns are Git's, but for being anchored at the top."""
    lines = (root / ".dockerignore").read_text().splitlines()
    spec = GitIgnoreSpec.from_lines(map(_anchored, lines))
    # Only what some line takes back in is walked: the repository has large folders beside it.
    tops = {line[1:].split("/")[0] for line in lines if line.startswith("!")}
    return sorted(
        path.relative_to(root)
        for top in tops
        for path in ([root / top] if (root / top).is_file() else (root / top).rglob("*"))
        if path.is_file() and not spec.match_file(path.relative_to(root))
    )


def _anchored(line: str) -> str:
    if not line or line.startswith("#"):
        return line
    kept, pattern = ("!", line[1:]) if line.startswith("!") else ("", line)
    return f"{kept}{pattern if pattern.startswith('**/') else '/' + pattern}"
