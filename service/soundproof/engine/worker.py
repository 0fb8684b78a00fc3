"""A process that owns one device: prepares clips and runs blocks of noise on them, one after another.

It keeps nothing that cannot be sent again: killing it costs time, never an answer.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from soundproof.engine.preparing import Preparing
from soundproof.engine.protocol import (
    Begin,
    ClipPrepared,
    Exhausted,
    Forget,
    Halved,
    Link,
    Load,
    Loaded,
    Refused,
    RunFailed,
    RunId,
    Source,
    Start,
    ToWorker,
    Unload,
    Voted,
    Work,
)
from soundproof.errors import ModelRefused, ModelUnavailable, SoundproofError, WorkerFault
from soundproof.nets import folder
from soundproof.nets.chunk import chunk_clips
from soundproof.printable import printable
from soundproof.smoothing import voting
from soundproof.smoothing.contracts import Contract, centre, contract_for
from soundproof.smoothing.gated import question_of
from soundproof.smoothing.lanes import Lanes
from soundproof.smoothing.plan import Block, Plan
from soundproof.terms import Precision

log = logging.getLogger("soundproof.worker")


@dataclass(frozen=True)
class _Run:
    plan: Plan
    contract: Contract
    point: Tensor


@dataclass(frozen=True)
class _UnderWay:
    work: Work
    model_digest: str
    begun: voting.Begun


@dataclass
class Worker:
    """One device, its models by digest, the runs it knows and the work that waits. The coordinator decides what is
    loaded and what goes.

    `ahead`: how many messages the device is given beyond the one whose votes are waited for. They are answered in their
    order, and only messages of one model are under way at once: what ends this process is laid to the first of them."""

    link: Link
    device: torch.device
    lanes: Lanes
    models: dict[str, folder.Model] = field(default_factory=dict)
    rounded: dict[tuple[str, Precision], folder.Model] = field(default_factory=dict)  # those that were asked for
    runs: dict[RunId, _Run] = field(default_factory=dict)
    inbox: deque[ToWorker] = field(default_factory=deque)
    ahead: int = 0
    under_way: deque[_UnderWay] = field(default_factory=deque)
    # By digest, where it is less: one model's hunger for memory is not to slow the others down.
    smaller_chunks: dict[str, int] = field(default_factory=dict)
    probed: set[tuple[str, Precision, int]] = field(default_factory=set)  # digest, precision and chunk
    preparing: Preparing = field(init=False)

    def __post_init__(self) -> None:
        self.preparing = Preparing(self.device)

    def serve(self) -> None:
        """Until the coordinator is gone (EOFError). Whatever has arrived is looked at before each piece of work, so
        that work for a client that left is dropped instead of done."""
        while True:
            while self.link.waiting() or not self.inbox:
                if not self.link.waiting():
                    self._answer(0)
                self._take(self.link.receive())
            message = self.inbox.popleft()
            if not self._joins(message):
                self._answer(0)
            self._try(_run_of(message), partial(self._do, message))
            self._answer(self.ahead)

    def _joins(self, message: ToWorker) -> bool:
        """Whether it can be taken up while what is under way is not answered."""
        match message:
            case Begin(plan=plan):
                digest = plan.model_digest
            case Work(run) if run in self.runs:
                digest = self.runs[run].plan.model_digest
            case _:
                return False
        return all(each.model_digest == digest for each in self.under_way)

    def _answer(self, ahead: int) -> None:
        """Wait for the votes of all that is under way but the last `ahead`, and send them."""
        while len(self.under_way) > ahead:
            first = self.under_way.popleft()
            self._try(first.work.run, partial(self._send, first))

    def _send(self, done: _UnderWay) -> None:
        self.link.send(Voted(done.work.run, done.work.blocks, tuple(done.begun.votes())))

    def _try(self, run: RunId, what: Callable[[], None]) -> None:
        """Faults of one run end that run; those of the device are raised, and end this process."""
        try:
            what()
        except MemoryExhausted:
            self.link.send(Exhausted())
            raise
        except SoundproofError as error:
            self._fail(run, error)
        except Exception as error:
            if _is_device_fault(error):
                raise
            log.exception("run %s failed", run)
            self._fail(run, WorkerFault(f"The worker failed on this request: {type(error).__name__}."))

    def _take(self, message: ToWorker) -> None:
        if isinstance(message, Forget):
            self.inbox = deque(waiting for waiting in self.inbox if _run_of(waiting) != message.run)
            self.under_way = deque(each for each in self.under_way if each.work.run != message.run)
            self.runs.pop(message.run, None)
        else:
            self.inbox.append(message)

    def _do(self, message: ToWorker) -> None:
        match message:
            case Load(source):
                self._load(source)
            case Unload(digest):
                self.models.pop(digest, None)
                self.rounded = {key: model for key, model in self.rounded.items() if key[0] != digest}
                self.smaller_chunks.pop(digest, None)
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
            case Begin(run, plan, waveform):
                model = self._model(plan)
                prepared = self.preparing.prepared(plan.clip_sha256, waveform, model.manifest)
                question = question_of(plan, prepared.facts.norm)
                contract = contract_for(plan, model.classifier, prepared)
                with torch.inference_mode():
                    self.runs[run] = _Run(plan, contract, centre(plan, contract, prepared))
                self.link.send(ClipPrepared(run, prepared.facts, model.backend, question))
            case Work(run, blocks) if run in self.runs:
                begun = self._begin(self.runs[run], blocks)
                self.under_way.append(_UnderWay(message, self.runs[run].plan.model_digest, begun))

    def _load(self, source: Source) -> None:
        """Loaded, or Refused: whatever is wrong with one model, runs of the others go on."""
        started = time.monotonic()
        try:
            self.models[source.digest] = self._verified(source)
        except SoundproofError as error:
            # Callers are told which model it is, not where it lies.
            detail = printable(error.detail.removeprefix(f"{source.folder}: "))
            refusal: SoundproofError = ModelRefused(detail, printable(error.hint))
        except Exception as error:
            if _is_out_of_memory(error):
                refusal = ModelUnavailable(f"the memory of {self.device} does not hold it.")
            elif _is_device_fault(error):
                raise
            else:
                log.exception("model %s could not be loaded", source.name)
                refusal = ModelUnavailable(f"the worker failed to load it: {type(error).__name__}.")
        else:
            self.link.send(Loaded(source.digest, time.monotonic() - started))
            return
        self.link.send(Refused(source.digest, refusal, time.monotonic() - started))

    def _verified(self, source: Source) -> folder.Model:
        """The model of a folder if it is still the one asked for: a certificate names its digest."""
        model = folder.load(source.folder, self.device)
        if model.manifest.digest != source.digest:
            raise ModelUnavailable("on disk it is no longer the one that the service describes.")
        return model

    def _begin(self, run: _Run, blocks: tuple[Block, ...]) -> voting.Begun:
        """Vote on blocks, in halved chunks for that model from then on whenever the device's memory does not hold
        them."""
        digest = run.plan.model_digest
        most = chunk_clips(self.device, run.point.numel(), self.models[digest].most_clips(self.device))
        while True:
            chunk_samples = min(most, self.smaller_chunks.get(digest, most))
            try:
                if chunk_samples < most:  # not the size that the model was probed at when it was loaded
                    self._probe(run.plan, chunk_samples)
                return voting.begin(run.contract, run.point, run.plan, blocks, chunk_samples, self.lanes)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                if chunk_samples == 1:
                    raise MemoryExhausted from error
            self.smaller_chunks[digest] = chunk_samples // 2
            self.link.send(Halved())
            log.warning(
                "out of memory on %s: %s goes on with chunks of %d", self.device, run.plan.model, chunk_samples // 2
            )
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _model(self, plan: Plan) -> folder.Model:
        """The plan's model in the plan's precision. ModelRefused where it does not keep its promises in that."""
        loaded = self.models[plan.model_digest]
        if plan.precision is Precision.FLOAT32:
            return loaded
        key = plan.model_digest, plan.precision
        if key not in self.rounded:
            self.rounded[key] = folder.at(loaded, plan.precision, self.device)
        return self.rounded[key]

    def _probe(self, plan: Plan, chunk_samples: int) -> None:
        """Once for each size: ModelRefused where clips of such a batch do not get answers of their own."""
        key = plan.model_digest, plan.precision, chunk_samples
        if key not in self.probed:
            folder.hold_to_independence(self._model(plan), self.device, chunk_samples)
            self.probed.add(key)

    def _fail(self, run: RunId, error: SoundproofError) -> None:
        self._take(Forget(run))
        self.link.send(RunFailed(run, error))


class MemoryExhausted(Exception):
    """Nothing smaller is left to try in this process; a fresh one may find the memory whole again."""


def _run_of(message: ToWorker) -> RunId:
    return -1 if isinstance(message, Start | Load | Unload) else message.run


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error)  # torch's CPU allocator has no class of its own


def _is_device_fault(error: Exception) -> bool:
    """After a CUDA error other than memory the process's context is lost; only a fresh process can go on."""
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)
