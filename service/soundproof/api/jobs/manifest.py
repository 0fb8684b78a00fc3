"""A manifest: which clips make a job, and what is asked of single ones.

CSV with a first line that names the columns, or JSON lines; told by its first character. `path` is the clip's name;
`label` and every other field of a clip may follow, and stand above what is asked of the whole job. An empty cell, and
null, are not given. Other columns are refused, lest a misspelt field be passed over; only `split` and `fold`, by which
data sets are divided, may be there and say nothing.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from soundproof.api.fields import ClipFields
from soundproof.api.jobs.name import BadName, clip_name, shown
from soundproof.api.parts import fault
from soundproof.listing import ListingFault, Row, csv_rows, jsonl_rows

MANIFEST = "manifest"
IN_ARCHIVE = ("manifest.csv", "manifest.jsonl")
MOST_BYTES = 4 << 20
PASSED_OVER = ("split", "fold")
_PATH = "path"
_KNOWN = (_PATH, *ClipFields.model_fields, *PASSED_OVER)


@dataclass(frozen=True)
class Listed:
    """`line`: where in the manifest. `given`: fields of this clip, as they are written; not yet checked."""

    line: int
    name: str
    given: dict[str, str | float]


def read_manifest(content: bytes, most_clips: int) -> list[Listed]:
    """The clips in the manifest's order. RequestValidationError names the line at fault; HTTPException when they are
    too many."""
    if len(content) > MOST_BYTES:
        raise fault(MANIFEST, f"is larger than {MOST_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fault(MANIFEST, f"is not UTF-8 at byte {error.start:,}") from error
    listed: dict[str, Listed] = {}
    try:
        for line, row in _rows(text):
            clip = _listed(line, row)
            if clip.name in listed:
                raise line_fault(line, f"{shown(clip.name)} is listed in line {listed[clip.name].line} already")
            listed[clip.name] = clip
            if len(listed) > most_clips:
                raise HTTPException(413, f"The manifest lists more than {most_clips:,} clips.")
    except ListingFault as error:
        raise fault(MANIFEST, str(error)) if error.line is None else line_fault(error.line, str(error)) from error
    if not listed:
        raise fault(MANIFEST, "lists no clip")
    return list(listed.values())


def line_fault(line: int, message: str) -> RequestValidationError:
    return fault(MANIFEST, f"line {line}: {message}")


def _rows(text: str) -> Iterator[tuple[int, Row]]:
    lines = io.StringIO(text, newline="")
    return jsonl_rows(lines) if text.lstrip().startswith("{") else csv_rows(lines, (_PATH,))


def _listed(line: int, row: Row) -> Listed:
    for column in row:
        if column not in _KNOWN:
            raise line_fault(line, f"{shown(column)} is not a column; they are {', '.join(_KNOWN)}")
    given = {column: value for column, value in row.items() if value not in (None, "") and column not in PASSED_OVER}
    for column, value in given.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise line_fault(line, f"{column} is neither a text nor a number")
    path = given.pop(_PATH, None)
    if not isinstance(path, str):
        raise line_fault(line, "a clip needs a path")
    try:
        return Listed(line, clip_name(path), given)
    except BadName as error:
        raise line_fault(line, str(error)) from error
