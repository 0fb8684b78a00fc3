"""Streamed answers that go on where they broke off, whoever reads them and however it waits."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Generic, TypeVar

import httpx

from soundproof.client.job_events import Ended, JobEvent, Progressed, Settled
from soundproof.client.lines import Lines
from soundproof.client.problem import problem_of
from soundproof.client.sse import ServerSentEvents
from soundproof.client.wire import job_address
from soundproof.job import Job, JobResult

Item = TypeVar("Item")

# A stream that is silent for so long is dead: events come with comments between them.
TIMEOUT = httpx.Timeout(60.0, connect=10.0)


class Feed(ABC, Generic[Item]):
    """Ask `address` with `headers`; after `opened`, hand every piece of the answer to `items`, and call `closed` at its
    end. When the connection is lost do it all again, until `ended`. Items come once."""

    ended = False

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def headers(self) -> dict[str, str]:
        return {}

    @abstractmethod
    def opened(self) -> None: ...

    @abstractmethod
    def items(self, data: bytes) -> Iterator[Item]: ...

    @abstractmethod
    def closed(self) -> None:
        """Raises httpx.RemoteProtocolError where more should have come."""


class ResultFeed(Feed[JobResult]):
    """The settled clips of a job, in upload order."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_address(job_id) + "/results")
        self._position = -1
        self.opened()

    def opened(self) -> None:
        self._lines = Lines()

    def items(self, data: bytes) -> Iterator[JobResult]:
        for line in self._lines.of(data):
            if not line:
                continue
            result = JobResult.model_validate_json(line)
            if result.position > self._position:
                self._position = result.position
                yield result

    def closed(self) -> None:
        if self._lines.rest:
            raise httpx.RemoteProtocolError("the results end within a line")
        self.ended = True


class EventFeed(Feed[JobEvent]):
    """The events of a job, with the clips behind position `after`, until its end."""

    def __init__(self, job_id: str, after: int | None = None) -> None:
        super().__init__(job_address(job_id) + "/events")
        self._position = after
        self.opened()

    @property
    def headers(self) -> dict[str, str]:
        return {} if self._position is None else {"Last-Event-ID": str(self._position)}

    def opened(self) -> None:
        self._events = ServerSentEvents()

    def items(self, data: bytes) -> Iterator[JobEvent]:
        for event in self._events.of(data):
            match event.name:
                case "progress":
                    yield Progressed(Job.model_validate_json(event.data))
                case "clip":
                    result = JobResult.model_validate_json(event.data)
                    self._position = result.position
                    yield Settled(result)
                case "end":
                    self.ended = True
                    yield Ended(Job.model_validate_json(event.data))
                    return
                case "problem":
                    document = json.loads(event.data)
                    raise problem_of(document, document.get("status", 500))

    def closed(self) -> None:
        if not self.ended:
            raise httpx.RemoteProtocolError("the events end before the job")
