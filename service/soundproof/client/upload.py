"""What POST /jobs is sent beside its fields: clips or an archive, and a manifest. Files are read as they are sent."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from soundproof.client.manifest import Manifest, listed, manifest_bytes

# A file, whose own name becomes the clip's; or a name, and the file or its bytes.
Clip = Path | str | tuple[str, Path | str | bytes]
# A folder, an archive (zip, tar, tar.gz), or single clips.
Clips = Path | str | Iterable[Clip]
Part = tuple[str, tuple[str, IO[bytes] | bytes, str]]

# What in a folder is its manifest, as in an archive.
MANIFESTS = ("manifest.csv", "manifest.jsonl")


def parts(clips: Clips, manifest: Manifest | None = None) -> list[Part]:
    """The file parts of the form. A folder's clips are those that its manifest lists, without one all of its files but
    the system's, whose names begin with a dot; they are named by their paths in it.

    Raises OSError for a file that cannot be read, and ValueError for a manifest that is none, or where there is no
    clip.
    """
    if isinstance(clips, Path | str) and Path(clips).is_dir() and manifest is None:
        manifest = next((path for name in MANIFESTS if (path := Path(clips) / name).is_file()), None)
    sent = None if manifest is None else manifest_bytes(manifest)
    if not isinstance(clips, Path | str):
        found = [_part("audio", *_named(clip), "audio/wav") for clip in clips]
    elif Path(clips).is_dir():
        wanted = None if sent is None else listed(sent)
        names = [name for name in _names(Path(clips)) if wanted is None or name in wanted]
        found = [_part("audio", name, Path(clips) / name, "audio/wav") for name in names]
    else:
        found = [_part("archive", Path(clips).name, Path(clips), "application/octet-stream")]
    if not found:
        raise ValueError("There is no clip to hand in.")
    return found if sent is None else [*found, _part("manifest", "manifest", sent, "text/plain")]


def _names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and str(name) not in MANIFESTS and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix()


def _named(clip: Clip) -> tuple[str, Path | bytes]:
    name, content = clip if isinstance(clip, tuple) else (Path(clip).name, clip)
    return name, content if isinstance(content, bytes) else Path(content)


def _part(field: str, name: str, content: Path | bytes, media_type: str) -> Part:
    # httpx needs no more of a file than _Unopened has.
    sent = content if isinstance(content, bytes) else cast(IO[bytes], _Unopened(content))
    return field, (name, sent, media_type)


class _Unopened:
    """A file that httpx can send, open only while a piece of it is read: a job may have more clips than a process may
    have files open. Raises OSError, at once, for one that cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        with path.open("rb") as file:
            self._size = file.seek(0, os.SEEK_END)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read(size)
        self._at += len(data)
        return data
