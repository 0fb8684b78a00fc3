"""The clips of a job: the files that were sent, and what is asked of each."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from soundproof.api.fields import ClipFields
from soundproof.api.form import validated
from soundproof.api.jobs.form import FILES, JobForm
from soundproof.api.jobs.limits import JobLimits
from soundproof.api.jobs.manifest import IN_ARCHIVE, Listed, line_fault, read_manifest
from soundproof.api.jobs.manifest import MOST_BYTES as MOST_MANIFEST_BYTES
from soundproof.api.jobs.members import archive_fault
from soundproof.api.jobs.name import shown
from soundproof.api.jobs.sent import SentFile, unpacked, uploaded
from soundproof.api.jobs.spool import Spool
from soundproof.api.parts import fault
from soundproof.api.problems import problem_document
from soundproof.errors import AudioTooLong, InvalidPlan
from soundproof.store.submission import NewClip, NewJob


def new_job(form: JobForm, spool: Spool, limits: JobLimits, idempotency_key: str | None) -> NewJob:
    """The job of a form. RequestValidationError, HTTPException and InvalidPlan say why there is none.

    With a manifest its clips are those that it lists, in its order; else all files, in theirs.
    """
    _check_storable(form.texts)
    of_all = validated(form.texts, ClipFields, limits.samples, FILES).model_dump(mode="json", exclude_unset=True)
    listed = None if form.manifest is None else read_manifest(form.manifest, limits.clips)
    if form.archive is None:
        files = uploaded(form.audio, limits)
    else:
        files = unpacked(form.archive, spool, limits)
        if listed is None:
            listed = _own_list(files, limits.clips)
        if not files:
            raise archive_fault("has no clips")
    if listed is None:
        listed = [Listed(0, name, {}) for name in files]
    if len(listed) > limits.clips:
        raise HTTPException(413, f"The job has more than {limits.clips:,} clips.")
    clips = tuple(_clip(each, files, of_all, limits) for each in listed)
    return NewJob(fields=of_all, clips=clips, idempotency_key=idempotency_key)


def _own_list(files: dict[str, SentFile], most_clips: int) -> list[Listed] | None:
    """What the archive's own manifest lists, if it has one."""
    own = [files[name] for name in IN_ARCHIVE if name in files]
    if len(own) > 1:
        raise archive_fault(f"has both {' and '.join(IN_ARCHIVE)}")
    if not own:
        return None
    section = own[0].section
    if section is None:
        raise archive_fault(f"has a manifest of {own[0].size:,} bytes, more than a file may have")
    return read_manifest(section.first(MOST_MANIFEST_BYTES + 1), most_clips)


def _clip(listed: Listed, files: dict[str, SentFile], of_all: dict[str, Any], limits: JobLimits) -> NewClip:
    file = files.get(listed.name)
    if file is None:
        raise line_fault(listed.line, f"{shown(listed.name)} is not among the files that were sent")
    fields = _fields(listed, of_all, limits.samples)
    return NewClip(
        name=file.name,
        audio=bytes if file.section is None else file.section.content,
        audio_sha256=file.sha256,
        samples_planned=fields.n0 + fields.n,
        label=fields.label,
        overrides=fields.model_dump(mode="json", include=set(listed.given) - {"label"}),
        problem=_too_long(file, limits.clip_bytes) if file.section is None else None,
    )


def _fields(clip: Listed, of_all: dict[str, Any], most_samples: int) -> ClipFields:
    """The job's fields, and the clip's own above them."""
    try:
        _check_storable(clip.given)
        return validated(of_all | clip.given, ClipFields, most_samples, FILES)
    except RequestValidationError as error:
        first = error.errors()[0]
        raise line_fault(clip.line, f"{first['loc'][0]}: {first['msg']}") from error
    except InvalidPlan as error:
        raise InvalidPlan(f"Line {clip.line} of the manifest: {error.detail}") from error


def _check_storable(given: dict[str, Any]) -> None:
    """PostgreSQL has no text with a NUL in it."""
    for name, value in given.items():
        if isinstance(value, str) and "\0" in value:
            raise fault(name, "has a NUL character")


def _too_long(file: SentFile, most_bytes: int) -> dict[str, Any]:
    return problem_document(
        AudioTooLong(
            f"The file has {file.size:,} bytes; this service takes at most {most_bytes:,} of a clip.",
            "Cut the file into shorter clips.",
        )
    )
