"""What an archive holds, in its order."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from soundproof.api.jobs.name import BadName, clip_name
from soundproof.api.parts import fault

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Member:
    """A regular file. `chunks`: its content, to be taken before the next member is asked for."""

    name: str
    chunks: Iterator[bytes]


def archive_fault(message: str) -> RequestValidationError:
    return fault("archive", message)


def member_name(given: str) -> str:
    try:
        return clip_name(given)
    except BadName as error:
        raise archive_fault(str(error)) from error


def too_many(most: int) -> HTTPException:
    return HTTPException(413, f"The archive has more than {most:,} entries.")
