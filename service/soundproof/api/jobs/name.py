"""The name of a clip: its path within what was sent, with slashes."""

import re
from pathlib import PurePosixPath

from soundproof.printable import printable

MOST_BYTES = 255
_SHOWN = 64
# C0, DEL and C1: what no file system needs in a name, and terminals obey.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DRIVE = re.compile("[A-Za-z]:")


class BadName(ValueError):
    """A name that no clip may have, told without repeating what cannot be shown."""


def clip_name(given: str) -> str:
    """The name without `./` and doubled slashes. Raises BadName for what could mean a place outside, or cannot be
    shown or kept by everybody.

    >>> clip_name("./yes//a.wav")
    'yes/a.wav'
    """
    if len(given) > MOST_BYTES or len(given.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise BadName(f"the name {shown(given)} is longer than {MOST_BYTES} bytes")
    if _SURROGATE.search(given):
        raise BadName(f"the name {shown(given)} is not UTF-8")
    if _CONTROL.search(given):
        raise BadName(f"the name {shown(given)} has a control character")
    if "\\" in given:
        raise BadName(f"the name {shown(given)} has a backslash; folders are separated by /")
    if given.startswith("/") or _DRIVE.match(given):
        raise BadName(f"the name {shown(given)} is not relative")
    path = PurePosixPath(given)
    if ".." in path.parts:
        raise BadName(f"the name {shown(given)} leads out of its folder")
    if not path.parts:
        raise BadName("a file has no name")
    return str(path)


def hidden(name: str) -> bool:
    """Whether a file of an archive is the system's and nobody's clip: dot files, and what macOS adds to its own."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def shown(name: str) -> str:
    """A name of anybody's making, quoted and fit for a message."""
    whole = printable(name[:_SHOWN])
    return f"'{whole}…'" if len(name) > _SHOWN else f"'{whole}'"
