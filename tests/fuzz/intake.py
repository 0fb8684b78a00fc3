"""What the fuzzers ask of a form or a file before it is a job: an answer by name, the same every time."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from soundproof.api.jobs.limits import JobLimits
from soundproof.api.problems import field_fault
from soundproof.errors import InvalidPlan

T = TypeVar("T")

LIMITS = JobLimits(clips=20, clip_bytes=4000, expanded_bytes=40_000, expansion_ratio=10, samples=50_000)
# All that the readers of a form may refuse it with.
STATUSES = (400, 413, 415)
# Of one sentence: what was sent is not sent back at length.
MOST_CHARACTERS = 3000


def outcome(read: Callable[[], T]) -> T | str:
    """What was read, or the words in which it was refused. Whatever else is raised breaks the promise."""
    try:
        return read()
    except HTTPException as error:
        told = f"{_known(error.status_code)}: {error.detail}"
    except RequestValidationError as error:
        told = f"422: {[(fault.field, fault.message) for fault in map(field_fault, error.errors())]}"
    except InvalidPlan as error:
        told = f"422: {error}"
    told.encode()  # or it could not be answered
    assert len(told) <= MOST_CHARACTERS, told[:200]
    return told


def _known(status: int) -> int:
    assert status in STATUSES, status
    return status


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has everything at hand and never has to wait."""
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    work.close()
    raise AssertionError("it waits for something")


async def pieces(body: bytes, size: int) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
