"""The manifest of a job, and the fields that it gives single clips."""

from typing import Any

from tests.fuzz.intake import LIMITS, outcome

from soundproof.api.fields import ClipFields
from soundproof.api.jobs.clips import _fields
from soundproof.api.jobs.manifest import read_manifest
from soundproof.api.jobs.name import clip_name

WORDS = (
    b'{"path": "',
    b"path,label",
    b'", "',
    b"null",
    b"NaN",
    b"\\u00",
    b"\\ud800",
    b'""',
    b"\r\n",
    b"\xef\xbb\xbf",
    *tuple(name.encode() for name in ClipFields.model_fields),
)


def check(data: bytes) -> None:
    """Any bytes are a list of clips or refused in words, the same every time; what is asked of a clip is in range."""
    found = outcome(lambda: _listed(data))
    assert found == outcome(lambda: _listed(data)), "another answer the second time"


def _listed(data: bytes) -> list[tuple[int, str, dict[str, Any]]]:
    found = []
    for clip in read_manifest(data, LIMITS.clips):
        assert clip_name(clip.name) == clip.name
        fields = _fields(clip, {"n": 200}, LIMITS.samples)
        told = fields.model_dump(mode="json")
        assert type(fields).model_validate_json(fields.model_dump_json()) == fields
        assert max(fields.n, fields.n0) <= LIMITS.samples
        found.append((clip.line, clip.name, told))
    assert 1 <= len(found) <= LIMITS.clips
    assert len({name for _, name, _ in found}) == len(found)
    return found
