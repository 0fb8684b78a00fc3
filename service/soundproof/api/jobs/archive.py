"""An archive of clips: zip, tar or tar.gz, told by its bytes and not by its name."""

from collections.abc import Iterator

from soundproof.api.jobs.budget import Budget
from soundproof.api.jobs.gunzip import Gunzip
from soundproof.api.jobs.members import Member, archive_fault
from soundproof.api.jobs.spool import Section
from soundproof.api.jobs.tar_header import BLOCK_BYTES, MAGIC, MAGIC_AT
from soundproof.api.jobs.tar_members import tar_members
from soundproof.api.jobs.zip_members import MAGIC as ZIP
from soundproof.api.jobs.zip_members import zip_members

GZIP = b"\x1f\x8b"
OTHERS = {
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"RIFF": "a WAV file; send it as audio",
    b"fLaC": "a FLAC file; send it as audio",
    b"OggS": "an Ogg file; send it as audio",
}


def members(packed: Section, budget: Budget, most: int) -> Iterator[Member]:
    """The regular files of an archive, in its order. `most`: entries that it may have, of whatever kind.

    RequestValidationError or HTTPException say what is wrong with it.
    """
    packed.seek(0)
    first = packed.read(BLOCK_BYTES)
    packed.seek(0)
    if first.startswith(ZIP):
        return zip_members(packed, budget, most)
    if first.startswith(GZIP):
        return tar_members(Gunzip(packed), budget, most)
    if first[MAGIC_AT:].startswith(MAGIC):
        return tar_members(packed, budget, most)
    known = next((f" but {name}" for magic, name in OTHERS.items() if first.startswith(magic)), "")
    raise archive_fault(f"is neither zip nor tar nor tar.gz{known}")
