"""The multipart form of a job: clips or an archive of them, a manifest, and the fields of all clips."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from fastapi import Request
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException

from soundproof.api.fields import ClipFields, form_schema
from soundproof.api.jobs.manifest import MANIFEST
from soundproof.api.jobs.manifest import MOST_BYTES as MOST_MANIFEST_BYTES
from soundproof.api.jobs.spool import Section, Spool
from soundproof.api.parts import Parser, fault, read_parts

AUDIO, ARCHIVE = "audio", "archive"
FILES = (AUDIO, ARCHIVE, MANIFEST)


@dataclass(frozen=True)
class JobForm:
    """`audio`: file names as they were sent, with the files. Either these or an archive."""

    audio: list[tuple[str, Section]]
    archive: Section | None
    manifest: bytes | None
    texts: dict[str, str]


@asynccontextmanager
async def read_job_form(request: Request, spool: Spool, most_clips: int) -> AsyncIterator[JobForm]:
    """The form, its files in the spool. HTTPException or RequestValidationError say what is wrong with it."""
    async with read_parts(
        request, lambda headers, stream: _JobParser(headers, stream, spool=spool, most_clips=most_clips)
    ) as parts:
        files: dict[str, list[tuple[str, Section]]] = {name: [] for name in FILES}
        texts: dict[str, str] = {}
        for name, value in parts:
            if isinstance(value, _SpooledFile):
                files[name].append((value.filename or "", value.section))
            elif name in texts:
                raise fault(name, "may be given once only")
            elif name in (AUDIO, ARCHIVE):
                raise fault(name, "must be a file part, with a filename")
            else:
                texts[name] = str(value)
        archive = next((section for _, section in files[ARCHIVE]), None)
        if archive is None and not files[AUDIO]:
            raise fault(AUDIO, "a file part is required for each clip, or one named archive for all of them")
        if archive is not None and files[AUDIO]:
            raise fault(ARCHIVE, "may not be given beside audio")
        manifest = texts.pop(MANIFEST).encode() if MANIFEST in texts else None
        for _, section in files[MANIFEST]:
            manifest = section.first(MOST_MANIFEST_BYTES + 1)
        yield JobForm(files[AUDIO], archive, manifest, texts)


def job_form_schema() -> dict[str, Any]:
    """The OpenAPI schema of the form."""
    schema = form_schema(ClipFields)
    file = {"type": "string", "format": "binary"}
    files = {
        AUDIO: {
            "type": "array",
            "items": file,
            "description": "the clips, each a part of this name and a file as of POST /certify; the part's filename is "
            "the clip's name",
        },
        ARCHIVE: file | {"description": "in the place of audio: zip, tar or tar.gz, all of whose files are clips"},
        MANIFEST: file
        | {
            "description": "CSV or JSON lines, as a file or as text: path, label and other fields of single clips. The "
            "clips that it lists make the job, in its order. An archive may have it as manifest.csv or manifest.jsonl"
        },
    }
    properties = files | {name: field for name, field in schema["properties"].items() if name != AUDIO}
    either = [{"required": [AUDIO]}, {"required": [ARCHIVE]}]
    return {"type": "object", "properties": properties, "additionalProperties": False, "oneOf": either}


class _SpooledFile(UploadFile):
    """In a spool with all others."""

    def __init__(self, section: Section, filename: str | None, headers: Headers) -> None:
        super().__init__(cast(BinaryIO, section), size=0, filename=filename, headers=headers)
        self.section = section

    async def seek(self, offset: int) -> None:
        self.section.seek(offset)  # nothing that could block

    async def close(self) -> None:
        """The spool is closed as a whole."""


class _JobParser(Parser):
    """What cannot be meant is refused as it arrives, and not after all that follows it."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], *, spool: Spool, most_clips: int) -> None:
        super().__init__(headers, stream, most_files=most_clips + 2, documents={MANIFEST: MOST_MANIFEST_BYTES})
        self._spool = spool
        self._most_clips = most_clips
        self._clips = 0

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if part.file is None:
            return
        try:
            (part.content_disposition or b"").decode()
        except UnicodeDecodeError as error:
            raise fault(part.field_name, "has a filename that is not UTF-8") from error
        self._files_to_close_on_error.pop().close()  # Starlette's own, still empty
        part.file = _SpooledFile(Section(self._spool), part.file.filename, part.file.headers)
        if part.field_name == AUDIO:
            self._clips += 1
            if self._clips > self._most_clips:
                raise HTTPException(413, f"The job has more than {self._most_clips:,} clips.")
        elif part.field_name == ARCHIVE:
            if any(name == ARCHIVE for name, _ in self.items):
                raise fault(ARCHIVE, "may be given once only")
        elif part.field_name != MANIFEST:
            raise fault(part.field_name, "must be a text field, not a file")
