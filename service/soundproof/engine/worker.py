"""A process that owns one device: prepares clips and runs blocks of noise on them, one after another.

It keeps nothing that cannot be sent again: killing it costs time, never an answer.
"""

import logging
import os
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

import torch
from torch import Tensor

from soundproof import __version__, logs
from soundproof.engine.orphan import end_with_parent
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
    Ready,
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
from soundproof.smoothing import lattice_noise, noise, voting
from soundproof.smoothing.certification import Votes
from soundproof.smoothing.contracts import Contract, centre, contract_for
from soundproof.smoothing.gated import question_of
from soundproof.smoothing.lanes import Lanes, usable_cores
from soundproof.smoothing.plan import BLOCK_SAMPLES, Block, NoiseName, Plan
from soundproof.terms import Precision

log = logging.getLogger("soundproof.worker")

# In one message: blocks for a GPU, draws for each core of a CPU.
CUDA_BLOCKS, CORE_DRAWS = 32, 2
# Yielding to the API process keeps it answering within milliseconds while a CPU worker takes every core.
CPU_NICENESS = 10


@dataclass(frozen=True)
class _Run:
    plan: Plan
    contract: Contract
    point: Tensor


@dataclass
class Worker:
    """One device, its models by digest, the runs it knows and the work that waits. The coordinator decides what is
    loaded and what goes."""

    link: Link
    device: torch.device
    lanes: Lanes
    models: dict[str, folder.Model] = field(default_factory=dict)
    rounded: dict[tuple[str, Precision], folder.Model] = field(default_factory=dict)  # those that were asked for
    runs: dict[RunId, _Run] = field(default_factory=dict)
    inbox: deque[ToWorker] = field(default_factory=deque)
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
                self._take(self.link.receive())
            message = self.inbox.popleft()
            try:
                self._do(message)
            except _MemoryExhausted:
                self.link.send(Exhausted())
                raise
            except SoundproofError as error:
                self._fail(_run_of(message), error)
            except Exception as error:
                if _is_device_fault(error):
                    raise
                log.exception("run %s failed", _run_of(message))
                self._fail(_run_of(message), WorkerFault(f"The worker failed on this request: {type(error).__name__}."))

    def _take(self, message: ToWorker) -> None:
        if isinstance(message, Forget):
            self.inbox = deque(waiting for waiting in self.inbox if _run_of(waiting) != message.run)
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
                votes = tuple(self._vote(self.runs[run], blocks))
                self.link.send(Voted(run, blocks, votes))

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

    def _vote(self, run: _Run, blocks: tuple[Block, ...]) -> list[Votes]:
        """Run blocks, in halved chunks for that model from then on whenever the device's memory does not hold them."""
        digest = run.plan.model_digest
        most = chunk_clips(self.device, run.point.numel(), self.models[digest].most_clips(self.device))
        while True:
            chunk_samples = min(most, self.smaller_chunks.get(digest, most))
            try:
                if chunk_samples < most:  # not the size that the model was probed at when it was loaded
                    self._probe(run.plan, chunk_samples)
                return voting.vote_all(run.contract, run.point, run.plan, blocks, chunk_samples, self.lanes)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                if chunk_samples == 1:
                    raise _MemoryExhausted from error
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


class _MemoryExhausted(Exception):
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


def run(connection: socket.socket) -> None:
    """Take the device that the first message names, say Ready, serve until the coordinator is gone."""
    link = Link(connection)
    start = link.receive()
    if not isinstance(start, Start):
        raise TypeError(f"the first message must be Start, not {type(start).__name__}")
    logs.configure(start.log)
    if start.version != __version__:
        log.critical("this worker is version %s, the service %s: restart the service", __version__, start.version)
        sys.exit(1)
    device = torch.device(start.device)
    if device.type == "cpu":
        os.nice(CPU_NICENESS)
    torch.backends.cudnn.allow_tf32 = False  # else "float32" convolutions would keep 10 bits on a recent GPU
    torch.set_num_threads(1)  # work is shared out between cores by the chunk (smoothing/lanes.py), not by the layer
    lanes = Lanes((start.cores or usable_cores()) if device.type == "cpu" else 1)
    link.send(
        Ready(
            device=str(device),
            generators={
                NoiseName.FLOAT: noise.generator_name(device),
                NoiseName.LATTICE: lattice_noise.generator_name(device),
            },
            blocks_per_message=_blocks_per_message(device, lanes),
        )
    )
    Worker(link, device, lanes).serve()


def _blocks_per_message(device: torch.device, lanes: Lanes) -> int:
    """Enough work in hand to keep the device busy, little enough to drop when a client leaves."""
    if device.type == "cuda":
        return CUDA_BLOCKS
    return -(-CORE_DRAWS * lanes.count * noise.GROUP_SAMPLES["cpu"] // BLOCK_SAMPLES)


def main() -> None:
    end_with_parent()
    logs.configure(logs.Style())  # until Start says which
    try:
        run(socket.socket(fileno=int(sys.argv[1])))
    except (EOFError, KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        pass  # the coordinator is gone, and with it the reason to be
    except _MemoryExhausted:
        log.critical("out of device memory at the smallest chunk")
        sys.exit(1)
