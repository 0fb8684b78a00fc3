"""The exception tree. Every leaf has a stable `code`; api/problems.py maps each to one HTTP status.

SoundproofError
├── AudioError                the uploaded file
│   ├── UnsupportedAudio        not a WAV file, or an encoding that is not read here
│   ├── MalformedWav            a WAV file that contradicts itself
│   ├── MalformedAudio          a file of another format that cannot be decoded within bounds
│   ├── UnsupportedRate         a sample rate outside the allow-list
│   ├── UnsupportedChannels     neither mono nor stereo
│   ├── InvalidSamples          NaN, infinite or far beyond full scale
│   ├── EmptyAudio              no samples
│   ├── AudioTooLong            more frames than the limit
│   └── SilentAudio             no level to bring to the gain policy's target
├── PlanError                 what was asked for
│   ├── InvalidPlan             a field outside its range, or fields that contradict each other
│   ├── ImpossiblePlan          cannot succeed whatever the votes are
│   └── UnknownLabel            not a class of the model
├── ModelError
│   ├── UnknownModel            no model of that name
│   ├── ModelRefused            a model folder that fails its own description
│   └── ModelUnavailable        a model that could not be loaded
├── EngineError
│   ├── QueueFull               more work admitted than can be held; try later
│   ├── WorkerLost              the work ended its worker again and again
│   ├── WorkerFault             an error of ours while working
│   ├── DecoderLost             the process that decoded the file ended or hung, for no fault of the file
│   ├── DeviceMemoryExhausted   a block of noise and the smallest chunk do not fit on the device
│   └── EngineStopped           the service is shutting down
├── AccessError               who asks, where the service has keys
│   ├── Unauthenticated         no key, or none of this service
│   ├── Forbidden               the key is not for this
│   ├── BudgetExhausted         the key has spent what it may for now
│   └── BudgetTooSmall          the key may never spend so much at once
└── StoreError                certificates and jobs that are kept
    ├── StoreUnavailable        cannot be read or written now: full, locked, read-only or out of reach
    ├── StoreRefused            no store of this version: written by a newer one, or not a store at all
    ├── UnknownCertificate      no certificate of that id
    ├── UnknownJob              no job of that id
    ├── IdempotencyConflict     the key stands for a job of other content
    ├── JobFinished             the job has ended, so it cannot be cancelled
    └── ClaimLost               the clip was cancelled, or is another's by now
"""


class SoundproofError(Exception):
    """The root of everything this package raises on purpose.

    `detail` says what is wrong in this case; `hint` what to do about it. Both are shown to the caller.
    Instances survive pickling, so a worker process can hand one to the coordinator.
    """

    code = "error"

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(detail, hint)
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.detail} {self.hint}".strip()


class AudioError(SoundproofError):
    """The uploaded file is refused."""


class UnsupportedAudio(AudioError):
    code = "unsupported_audio"


class MalformedWav(AudioError):
    code = "malformed_wav"


class MalformedAudio(AudioError):
    code = "malformed_audio"


class UnsupportedRate(AudioError):
    code = "unsupported_rate"


class UnsupportedChannels(AudioError):
    code = "unsupported_channels"


class InvalidSamples(AudioError):
    code = "invalid_samples"


class EmptyAudio(AudioError):
    code = "empty_audio"


class AudioTooLong(AudioError):
    code = "audio_too_long"


class SilentAudio(AudioError):
    code = "silent_audio"


class PlanError(SoundproofError):
    """The certification asked for is refused before any sampling."""


class InvalidPlan(PlanError):
    code = "invalid_plan"


class ImpossiblePlan(PlanError):
    code = "impossible_plan"


class UnknownLabel(PlanError):
    code = "unknown_label"


class ModelError(SoundproofError):
    """Something is wrong with a model, not with the request."""


class UnknownModel(ModelError):
    code = "unknown_model"


class ModelRefused(ModelError):
    code = "model_refused"


class ModelUnavailable(ModelError):
    code = "model_unavailable"


class EngineError(SoundproofError):
    """The work was fine; the machine could not do it now."""


class QueueFull(EngineError):
    """`retry_after_s`: whole seconds after which the admitted work should have left room."""

    code = "queue_full"

    def __init__(self, detail: str, hint: str = "", retry_after_s: int = 1) -> None:
        super().__init__(detail, hint)
        self.args = (detail, hint, retry_after_s)
        self.retry_after_s = retry_after_s


class WorkerLost(EngineError):
    code = "worker_lost"


class WorkerFault(EngineError):
    code = "internal_error"


class DecoderLost(EngineError):
    code = "decoder_lost"


class DeviceMemoryExhausted(EngineError):
    code = "device_memory_exhausted"


class EngineStopped(EngineError):
    code = "engine_stopped"


class AccessError(SoundproofError):
    """The request may be right; whoever asks may not ask it, or not now."""


class Unauthenticated(AccessError):
    code = "unauthenticated"


class Forbidden(AccessError):
    """`scope`: which the key would have to have; empty where none would do."""

    code = "forbidden"

    def __init__(self, detail: str, hint: str = "", scope: str = "") -> None:
        super().__init__(detail, hint)
        self.args = (detail, hint, scope)
        self.scope = scope


class BudgetExhausted(AccessError):
    """`retry_after_s`: whole seconds after which the budget holds what was asked for, if nothing else takes of it."""

    code = "budget_exhausted"

    def __init__(self, detail: str, hint: str = "", retry_after_s: int = 1) -> None:
        super().__init__(detail, hint)
        self.args = (detail, hint, retry_after_s)
        self.retry_after_s = retry_after_s


class BudgetTooSmall(AccessError):
    code = "budget_too_small"


class StoreError(SoundproofError):
    """What is kept cannot be had, or is not there."""


class StoreUnavailable(StoreError):
    code = "store_unavailable"


class StoreRefused(StoreError):
    code = "store_refused"


class UnknownCertificate(StoreError):
    code = "unknown_certificate"


class UnknownJob(StoreError):
    code = "unknown_job"


class IdempotencyConflict(StoreError):
    code = "idempotency_conflict"


class JobFinished(StoreError):
    code = "job_finished"


class ClaimLost(StoreError):
    code = "claim_lost"
