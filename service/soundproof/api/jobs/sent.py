"""The clips' files as they were sent, by themselves or in an archive."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from soundproof.api.jobs.archive import members
from soundproof.api.jobs.budget import Budget
from soundproof.api.jobs.limits import JobLimits
from soundproof.api.jobs.members import CHUNK_BYTES, archive_fault
from soundproof.api.jobs.name import BadName, clip_name, hidden, shown
from soundproof.api.jobs.spool import Section, Spool
from soundproof.api.parts import fault


@dataclass(frozen=True)
class SentFile:
    """`sha256`, of the whole file, in hex. `section`: its content; None where it is larger than a file may be."""

    name: str
    size: int
    sha256: str
    section: Section | None


def unpacked(archive: Section, spool: Spool, limits: JobLimits) -> dict[str, SentFile]:
    """The files of an archive by their names, in its order; hidden ones are left out. Their content goes to the spool.

    RequestValidationError or HTTPException say what is wrong with the archive.
    """
    budget = Budget(packed_bytes=archive.size, most_bytes=limits.expanded_bytes, ratio=limits.expansion_ratio)
    files: dict[str, SentFile] = {}
    for member in members(archive, budget, limits.entries):
        if hidden(member.name):
            continue
        if member.name in files:
            raise archive_fault(f"has two files named {shown(member.name)}")
        files[member.name] = _kept(member.name, member.chunks, Section(spool), limits.clip_bytes)
    return files


def uploaded(parts: Iterable[tuple[str, Section]], limits: JobLimits) -> dict[str, SentFile]:
    """Files that were sent as parts, by their names, in their order."""
    files: dict[str, SentFile] = {}
    total_bytes = 0
    for filename, section in parts:
        try:
            name = clip_name(filename)
        except BadName as error:
            raise fault("audio", str(error)) from error
        if name in files:
            raise fault("audio", f"two parts have the filename {shown(name)}")
        total_bytes += section.size
        if total_bytes > limits.expanded_bytes:
            raise HTTPException(413, f"The clips have more than {limits.expanded_bytes:,} bytes together.")
        digest = hashlib.sha256()
        for chunk in _chunks(section):
            digest.update(chunk)
        fits = section.size <= limits.clip_bytes
        files[name] = SentFile(name, section.size, digest.hexdigest(), section if fits else None)
    return files


def _kept(name: str, chunks: Iterable[bytes], section: Section, most_bytes: int) -> SentFile:
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if size <= most_bytes:
            section.write(chunk)
        else:
            section.drop()
    return SentFile(name, size, digest.hexdigest(), section if size <= most_bytes else None)


def _chunks(section: Section) -> Iterator[bytes]:
    section.seek(0)
    while chunk := section.read(CHUNK_BYTES):
        yield chunk
