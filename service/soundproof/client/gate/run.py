"""A run: every clip of a suite asked once, several at a time, and kept as soon as it is answered."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import ValidationError

from soundproof.client.async_client import AsyncClient
from soundproof.client.gate.audio import wav_bytes
from soundproof.client.gate.faults import ServiceFault, SuiteFault
from soundproof.client.gate.journal import Journal
from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result, Trouble, digest_of, key_of
from soundproof.client.gate.suite import Clip
from soundproof.client.patience import Patience
from soundproof.client.problem import PatienceOver, ProblemError

# The service does not take this clip: its audio, or what its own line of the manifest asks.
_CLIP_STATUSES = frozenset({400, 413, 415, 422})
# What is wrong with the question, whatever the clip.
_QUESTION_CODES = frozenset({"invalid_request", "invalid_plan", "unknown_model"})
_IMPOSSIBLE = "impossible_plan"


@dataclass
class Run:
    """`watch` is told of every clip that is done, with whether it was known already; `tell`, in words, of waits."""

    client: AsyncClient
    question: Question
    journal: Journal
    parallel: int = 4
    patience: Patience = field(default_factory=Patience)
    watch: Callable[[Result, bool], None] = lambda _result, _known: None
    tell: Callable[[str], None] = lambda _text: None
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict, init=False)

    async def of(self, clips: tuple[Clip, ...]) -> list[Result]:
        """The result of every clip, in order. Raises ServiceFault or SuiteFault at the first sign that it makes no
        sense to go on; what was answered by then is in the journal."""
        results: list[Result | None] = [None] * len(clips)
        waiting = iter(enumerate(clips))

        async def work() -> None:
            for index, clip in waiting:
                results[index] = await self._result(clip)

        workers = [asyncio.create_task(work()) for _ in range(min(self.parallel, len(clips)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        found = [result for result in results if result is not None]
        self._check_possible(found)
        return found

    async def _result(self, clip: Clip) -> Result:
        try:
            audio = await asyncio.to_thread(wav_bytes, clip.path)
        except (OSError, ValueError) as error:
            trouble = Trouble(code="unreadable_file", detail=str(error))
            result = Result(
                clip=clip.name, label=clip.label, audio_sha256="", fields=dict(clip.fields), problem=trouble
            )
            self.watch(result, False)
            return result
        digest = digest_of(audio)
        key = key_of(digest, clip.label, clip.fields)
        # The same question about the same bytes is asked once, however often the suite has them.
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = key in self.journal.held
            if known:
                result = self.journal.held[key].model_copy(update={"clip": clip.name})
            else:
                result = await self._asked(clip, audio, digest)
                self.journal.add(result)
        self.watch(result, known)
        return result

    async def _asked(self, clip: Clip, audio: bytes, digest: str) -> Result:
        fields = self.question.form(clip)
        about: dict[str, Any] = {"clip": clip.name, "label": clip.label, "audio_sha256": digest}
        about["fields"] = dict(clip.fields)
        try:
            certificate = await self.patience.of(lambda: self.client.certify(audio, **fields), self.tell)
        except ProblemError as error:
            return Result(**about, problem=self._trouble(clip, error))
        except PatienceOver as error:
            raise ServiceFault(f"{error}") from error
        except (httpx.HTTPError, ValidationError) as error:
            raise ServiceFault(f"The answer for {clip.name} cannot be read: {error}") from error
        found = certificate.model_dump(mode="json")
        self._check_service(found)
        if not clip.fields:
            self._check_reach(found)
        return Result(**about, certificate=found)

    def _trouble(self, clip: Clip, error: ProblemError) -> Trouble:
        """A refusal that is the clip's own; raises for every other."""
        if error.code == "unknown_model" or (error.code in _QUESTION_CODES and not clip.fields):
            raise SuiteFault(f"{error.code}: {error}") from error
        if error.status not in _CLIP_STATUSES or (error.code == "http_error" and error.status != 413):
            raise ServiceFault(f"The service answered {error.status} {error.code} for {clip.name}: {error}") from error
        return Trouble(code=error.code, detail=str(error))

    def _check_service(self, certificate: dict[str, Any]) -> None:
        """Verdicts of two models are no verdict on either."""
        digest = certificate["model"]["digest"]
        if digest != self.question.model_digest:
            raise ServiceFault(
                f"The model {self.question.model!r} was exchanged while the gate ran: its digest was "
                f"{self.question.model_digest[:12]} and is {digest[:12]}. Run the gate again."
            )

    def _check_reach(self, certificate: dict[str, Any]) -> None:
        """No radius is beyond its ceiling, which under an RMS gain is the same SNR for every clip, and without SNRs
        the same radius: said after the first answer, not after the last."""
        question = self.question
        alike = question.at_radius is not None or (certificate["contract"]["representation"]["gain"]["policy"] == "rms")
        if question.sequential or not alike or not question.out_of_reach(certificate):
            return
        needed = question.votes_needed(certificate)
        way = f"ask for --n of at least {needed} or a larger --sigma" if needed else "ask for a larger --sigma"
        raise SuiteFault(
            f"Not even unanimous votes reach {question.target} with n {certificate['sampling']['n']} and sigma "
            f"{certificate['contract']['perturbation']['sigma']:.12g}: {way}."
        )

    @staticmethod
    def _check_possible(results: list[Result]) -> None:
        codes = {result.problem.code if result.problem else None for result in results}
        if codes == {_IMPOSSIBLE} and results[0].problem:
            raise SuiteFault(f"No clip can pass: {results[0].problem.detail}")
