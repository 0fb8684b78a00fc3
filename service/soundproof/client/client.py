"""The service from Python, one call at a time."""

from collections.abc import Callable, Iterator, Mapping
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


class Client:
    """`with Client("http://127.0.0.1:8000") as client: client.certify("yes.wav", label="yes")`.

    Files are given by their path, or as bytes. `fields` are those of the address in docs/api.md; one that is None is
    left out. Every method raises ProblemError for what the service refuses or fails at, httpx.HTTPError for the
    connection, OSError for a file that cannot be read and pydantic's ValidationError for an answer that makes no sense.

    `wait`, `events` and `results` ask again, with `patience`, while the service is busy, restarted or out of reach;
    PatienceOver ends that. `headers` go with every request: for a proxy that asks for them, or as `Cache-Control:
    no-store` for certificates that are drawn anew. `api_key` goes to the host of `url` and to no other.
    """

    def __init__(
        self,
        url: str = wire.URL,
        transport: httpx.BaseTransport | None = None,
        *,
        patience: Patience | None = None,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=url, transport=transport, headers=headers, auth=bearer(api_key, url), timeout=wire.TIMEOUT
        )
        self._patience = patience or Patience()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections. Closing twice does nothing."""
        self._http.close()

    def certify(self, clip: File, **fields: Any) -> CertifiedCertificate | AbstainedCertificate:
        """The certificate of a WAV file."""
        return self.answer(clip, **fields).certificate

    def answer(self, clip: File, **fields: Any) -> Answer:
        """The same with the bytes that the service sent, and whether it had them already."""
        return self._done(wire.certify(clip, fields))

    def sweep(self, clip: File, settings: str, **fields: Any) -> Sweep:
        """Several certificates of a WAV file; `settings` such as `waveform:0.0025,clip:0.0025`."""
        return self._done(wire.sweep(clip, settings, fields))

    def verify(self, certificate: File, clip: File, **fields: Any) -> Report:
        """The report on a certificate of a WAV file."""
        return self._done(wire.verify(certificate, clip, fields))

    def certificate(self, certificate_id: str) -> Answer:
        """A certificate that the service keeps."""
        return self._done(wire.certificate(certificate_id))

    def models(self) -> dict[str, Any]:
        """What is served: GET /models."""
        return self._done(wire.models())

    def ready(self) -> bool:
        """Whether the service can do work now; false, too, where nothing answers."""
        try:
            return self._done(wire.ready())
        except TROUBLE as error:
            if not passing(error):
                raise
            return False

    def submit(
        self, clips: Clips, *, manifest: Manifest | None = None, idempotency_key: str | None = None, **fields: Any
    ) -> Job:
        """Hand in a job. `clips`: a folder, an archive (zip, tar, tar.gz), or files, alone or as (name, file).

        `manifest`: a CSV or JSONL file, its bytes, or its rows; a folder's and an archive's own `manifest.csv` or
        `manifest.jsonl` unless told. It says which clips of a folder are sent; without one all are. With an
        `idempotency_key` a job that is handed in twice is accepted once. Audio files are read while they are sent.
        Raises ValueError where there is no clip, or the manifest of a folder is none.
        """
        return self._done(wire.submit(clips, manifest, idempotency_key, fields))

    def job(self, job_id: str) -> Job:
        """Where a job stands."""
        return self._done(wire.job(job_id))

    def cancel(self, job_id: str) -> Job:
        """Cancel every clip that is not settled; ProblemError `job_finished` where there is none."""
        return self._done(wire.cancel(job_id))

    def wait(self, job_id: str, watch: Callable[[Job], object] | None = None, poll_s: float = 1.0) -> Job:
        """The job when it has ended. `watch` is shown where it stands, every `poll_s` seconds."""
        while True:
            job = self._patience.of_sync(lambda: self.job(job_id))
            if watch is not None:
                watch(job)
            if not job.state.open:
                return job
            self._patience.sleep_sync(poll_s)

    def events(self, job_id: str, last_event_id: int | None = None) -> Iterator[JobEvent]:
        """What the job tells until it ends, clips in upload order; `last_event_id`: only clips behind this position."""
        return self._each(EventFeed(job_id, last_event_id))

    def results(self, job_id: str) -> Iterator[JobResult]:
        """The clips that are settled by now, in upload order, read as they are used."""
        return self._each(ResultFeed(job_id))

    def _done(self, call: Call[Result]) -> Result:
        return call.result(self._http.send(call.request(self._http)))

    def _each(self, feed: Feed[Result]) -> Iterator[Result]:
        waits = Waits(self._patience)
        while not feed.ended:
            try:
                with self._http.stream("GET", feed.address, headers=feed.headers, timeout=TIMEOUT) as response:
                    if not response.is_success:
                        response.read()
                    checked(response)
                    feed.opened()
                    for data in response.iter_bytes():
                        for item in feed.items(data):
                            waits = Waits(self._patience)
                            yield item
                feed.closed()
            except TROUBLE as error:
                self._patience.sleep_sync(waits.after(error))
