"""The service from asyncio: as client.py, with many calls at a time."""

from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from soundproof.certificate import AbstainedCertificate, CertifiedCertificate
from soundproof.client import wire
from soundproof.client.answer import Answer
from soundproof.client.api_key import bearer
from soundproof.client.feed import TIMEOUT, EventFeed, Feed, ResultFeed
from soundproof.client.job_events import JobEvent
from soundproof.client.manifest import Manifest
from soundproof.client.patience import TROUBLE, Patience, Waits, passing
from soundproof.client.problem import checked
from soundproof.client.upload import Clips
from soundproof.client.wire import Call, File
from soundproof.job import Job, JobResult
from soundproof.sweep import Sweep
from soundproof.verify.report import Report

Result = TypeVar("Result")


class AsyncClient:
    """`async with AsyncClient("http://127.0.0.1:8000") as client: await client.certify("yes.wav", label="yes")`.

    Every method does, and raises, what Client's of the same name does.
    """

    def __init__(
        self,
        url: str = wire.URL,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        patience: Patience | None = None,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, transport=transport, headers=headers, auth=bearer(api_key, url), timeout=wire.TIMEOUT
        )
        self._patience = patience or Patience()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """As Client.close."""
        await self._http.aclose()

    async def certify(self, clip: File, **fields: Any) -> CertifiedCertificate | AbstainedCertificate:
        """As Client.certify."""
        return (await self.answer(clip, **fields)).certificate

    async def answer(self, clip: File, **fields: Any) -> Answer:
        """As Client.answer."""
        return await self._done(wire.certify(clip, fields))

    async def sweep(self, clip: File, settings: str, **fields: Any) -> Sweep:
        """As Client.sweep."""
        return await self._done(wire.sweep(clip, settings, fields))

    async def verify(self, certificate: File, clip: File, **fields: Any) -> Report:
        """As Client.verify."""
        return await self._done(wire.verify(certificate, clip, fields))

    async def certificate(self, certificate_id: str) -> Answer:
        """As Client.certificate."""
        return await self._done(wire.certificate(certificate_id))

    async def models(self) -> dict[str, Any]:
        """As Client.models."""
        return await self._done(wire.models())

    async def ready(self) -> bool:
        """As Client.ready."""
        try:
            return await self._done(wire.ready())
        except TROUBLE as error:
            if not passing(error):
                raise
            return False

    async def submit(
        self, clips: Clips, *, manifest: Manifest | None = None, idempotency_key: str | None = None, **fields: Any
    ) -> Job:
        """As Client.submit."""
        return await self._done(wire.submit(clips, manifest, idempotency_key, fields))

    async def job(self, job_id: str) -> Job:
        """As Client.job."""
        return await self._done(wire.job(job_id))

    async def cancel(self, job_id: str) -> Job:
        """As Client.cancel."""
        return await self._done(wire.cancel(job_id))

    async def wait(self, job_id: str, watch: Callable[[Job], object] | None = None, poll_s: float = 1.0) -> Job:
        """As Client.wait."""
        while True:
            job = await self._patience.of(lambda: self.job(job_id))
            if watch is not None:
                watch(job)
            if not job.state.open:
                return job
            await self._patience.sleep(poll_s)

    def events(self, job_id: str, last_event_id: int | None = None) -> AsyncIterator[JobEvent]:
        """As Client.events: `async for event in client.events(job.id)`."""
        return self._each(EventFeed(job_id, last_event_id))

    def results(self, job_id: str) -> AsyncIterator[JobResult]:
        """As Client.results: `async for result in client.results(job.id)`."""
        return self._each(ResultFeed(job_id))

    async def _done(self, call: Call[Result]) -> Result:
        return call.result(await self._http.send(call.request(self._http)))

    async def _each(self, feed: Feed[Result]) -> AsyncIterator[Result]:
        waits = Waits(self._patience)
        while not feed.ended:
            try:
                async with self._http.stream("GET", feed.address, headers=feed.headers, timeout=TIMEOUT) as response:
                    if not response.is_success:
                        await response.aread()
                    checked(response)
                    feed.opened()
                    async for data in response.aiter_bytes():
                        for item in feed.items(data):
                            waits = Waits(self._patience)
                            yield item
                feed.closed()
            except TROUBLE as error:
                await self._patience.sleep(waits.after(error))
