"""All metric names, in one place. Labels come from closed sets only, so their number is bounded."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from soundproof.api.gpus import GpuUse
from soundproof.engine.run import Finished
from soundproof.engine.vitals import Vitals
from soundproof.job import State
from soundproof.smoothing.plan import Plan
from soundproof.store.tally import Tally

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HTTP_SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
LOAD_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
RUN_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 20, 30, 60, 120, 300)
STORE_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)
SNR_DB = tuple(range(-10, 85, 5))
# Of requests for a model that is not served. No model has that name: parentheses are not allowed in one.
UNKNOWN_MODEL = "(unknown)"


class Metrics:
    """The one observer of requests and of the engine (it satisfies engine.observer.Observer)."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._requests = Counter(
            "soundproof_http_requests", "HTTP requests answered", ["route", "method", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "soundproof_http_request_seconds",
            "Time from a request's arrival to its answer",
            ["route"],
            registry=registry,
            buckets=HTTP_SECONDS,
        )
        self._certifications = Counter(
            "soundproof_certifications",
            "Certifications by outcome: certified, abstained, refuted, undecided, refused, failed, cancelled",
            ["model", "contract", "outcome"],
            registry=registry,
        )
        self._snr = Histogram(
            "soundproof_snr_cert_db",
            "SNR down to which an answer is certified, in dB; lower is stronger",
            ["model"],
            registry=registry,
            buckets=SNR_DB,
        )
        self._problems = Counter(
            "soundproof_problems", "Requests answered with a problem, by its code", ["code"], registry=registry
        )
        self._cache_hits = Counter(
            "soundproof_cache_hits", "Certifications answered with a certificate from the store", registry=registry
        )
        self._job_clips = Gauge(
            "soundproof_job_clips", "Clips of the jobs that are kept, by state", ["state"], registry=registry
        )
        self._accepted_clips = Gauge(
            "soundproof_job_clips_accepted",
            "Clips that were accepted with the jobs that are kept: the sum of soundproof_job_clips, always",
            registry=registry,
        )
        self._oldest_clip = Gauge(
            "soundproof_job_oldest_waiting_seconds",
            "Time since the first of the clips that wait in the store was handed in; 0 when none waits",
            registry=registry,
        )
        self._jobs = Gauge("soundproof_jobs", "Jobs that are kept, by state", ["state"], registry=registry)
        self._store_up = Gauge("soundproof_store_up", "1 when the store can be written", registry=registry)
        self._verifications = Counter(
            "soundproof_verifications",
            "Certificates verified by result: passed, failed, inconclusive",
            ["result"],
            registry=registry,
        )
        self._queue_seconds = Histogram(
            "soundproof_certification_queue_seconds",
            "Time from admission until a worker was given the clip",
            registry=registry,
            buckets=RUN_SECONDS,
        )
        self._run_seconds = Histogram(
            "soundproof_certification_run_seconds",
            "Time from then to the last vote",
            registry=registry,
            buckets=RUN_SECONDS,
        )
        self._prepare_seconds = Histogram(
            "soundproof_certification_prepare_seconds",
            "Of it, until the worker had the clip as its model hears it",
            registry=registry,
            buckets=RUN_SECONDS,
        )
        self._sampling_seconds = Histogram(
            "soundproof_certification_sampling_seconds",
            "Of it, from then to the last vote",
            registry=registry,
            buckets=RUN_SECONDS,
        )
        self._store_seconds = Histogram(
            "soundproof_certification_store_seconds",
            "Time to sign a certificate and keep it in the store",
            registry=registry,
            buckets=STORE_SECONDS,
        )
        self._samples = Counter(
            "soundproof_noise_samples", "Noise samples voted on", ["model", "contract", "stage"], registry=registry
        )
        self._depth = Gauge("soundproof_queue_depth", "Certifications admitted and not finished", registry=registry)
        self._waiting = Gauge(
            "soundproof_queue_waiting",
            "Of those, the ones that wait for a worker",
            registry=registry,
        )
        self._oldest = Gauge(
            "soundproof_queue_oldest_seconds", "How long the first of these has waited", registry=registry
        )
        self._blocks = Counter(
            "soundproof_worker_blocks", "Blocks of noise samples in messages to workers", registry=registry
        )
        self._room = Counter(
            "soundproof_worker_blocks_room", "Blocks that those messages had room for", registry=registry
        )
        self._busy = Counter(
            "soundproof_worker_busy_seconds", "Time a worker spent on votes", ["device"], registry=registry
        )
        self._up = Gauge("soundproof_worker_up", "1 when the worker takes work", ["device"], registry=registry)
        self._heartbeat = Gauge(
            "soundproof_worker_heartbeat_age_seconds",
            "Time since a worker that starts or has work was last heard of; 0 when it has none",
            ["device"],
            registry=registry,
        )
        self._halvings = Counter(
            "soundproof_memory_halvings",
            "Chunks that the device's memory did not hold, halved from then on",
            ["device"],
            registry=registry,
        )
        self._device_used = Gauge(
            "soundproof_device_memory_used_bytes", "Memory of a GPU in use, by whomever", ["device"], registry=registry
        )
        self._device_memory = Gauge("soundproof_device_memory_bytes", "Memory of a GPU", ["device"], registry=registry)
        self._device_busy = Gauge(
            "soundproof_device_utilization_ratio",
            "Share of time in which it computed",
            ["device"],
            registry=registry,
        )
        self._losses = Counter(
            "soundproof_worker_losses", "Workers that ended without being told to", registry=registry
        )
        self._models = Gauge("soundproof_models_loaded", "Models in memory, over all workers", registry=registry)
        self._model_bytes = Gauge(
            "soundproof_models_loaded_bytes", "Size of their files, over all workers", registry=registry
        )
        self._loads = Counter(
            "soundproof_model_loads", "Models that a worker loaded or refused", ["result"], registry=registry
        )
        self._load_seconds = Histogram(
            "soundproof_model_load_seconds",
            "Time a worker took to load and verify a model",
            registry=registry,
            buckets=LOAD_SECONDS,
        )
        self._evictions = Counter(
            "soundproof_model_evictions", "Models that left memory to make room for another", registry=registry
        )
        self._reloads = Counter(
            "soundproof_model_reloads",
            "Readings of the models folder: applied, unchanged, partial, rejected",
            ["result"],
            registry=registry,
        )
        self._key_cost = Counter(
            "soundproof_key_cost",
            "What was worked for an API key, in noise samples x clip samples",
            ["key"],
            registry=registry,
        )
        self._key_budget = Gauge(
            "soundproof_key_budget_left_ratio",
            "Share of its budget that an API key has left",
            ["key"],
            registry=registry,
        )
        self._keys: set[str] = set()
        self._ready = Gauge("soundproof_ready", "1 when work can make progress", registry=registry)
        self._spans = Counter(
            "soundproof_trace_spans",
            "Spans of traces by what became of them: exported, failed (the collector did not take them), dropped (too "
            "many waited for it)",
            ["result"],
            registry=registry,
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the template, never the address itself."""
        self._requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def problem(self, code: str) -> None:
        """A request was answered with this one; codes are those of api/problems.py."""
        self._problems.labels(code).inc()

    def certification(self, model: str, contract: str, outcome: str) -> None:
        """`model`: a name of the catalogue, else UNKNOWN_MODEL."""
        self._certifications.labels(model, contract, outcome).inc()

    def snr(self, model: str, snr_cert_db: float) -> None:
        self._snr.labels(model).observe(snr_cert_db)

    def cache_hit(self) -> None:
        self._cache_hits.inc()

    def jobs(self, tally: Tally) -> None:
        for state in State:
            self._jobs.labels(state.value).set(getattr(tally.jobs, state.value))
            self._job_clips.labels(state.value).set(getattr(tally.clips, state.value))
        self._accepted_clips.set(tally.clips_accepted)
        self._oldest_clip.set(tally.oldest_waiting_s)

    def store_up(self, up: bool) -> None:
        self._store_up.set(up)

    def verification(self, result: str) -> None:
        self._verifications.labels(result).inc()

    def computed(self, finished: Finished) -> None:
        self._queue_seconds.observe(finished.queue_s)
        self._run_seconds.observe(finished.run_s)
        self._prepare_seconds.observe(finished.prepare_s)
        self._sampling_seconds.observe(finished.run_s - finished.prepare_s)

    def storing(self) -> AbstractContextManager[object]:
        """Around the keeping of one certificate."""
        return self._store_seconds.time()

    def vitals(self, vitals: Vitals) -> None:
        """How the engine stands now."""
        self._waiting.set(vitals.waiting)
        self._oldest.set(vitals.oldest_waiting_s)
        for worker in vitals.workers:
            self._up.labels(worker.device).set(worker.up)
            self._heartbeat.labels(worker.device).set(worker.silent_s)
            self._busy.labels(worker.device)  # counted from 0, not from the first event
            self._halvings.labels(worker.device)

    def gpus(self, uses: Sequence[GpuUse]) -> None:
        """What the GPUs say now; one that cannot be asked is not told of."""
        for gauge in (self._device_used, self._device_memory, self._device_busy):
            gauge.clear()
        for use in uses:
            self._device_used.labels(use.device).set(use.memory_used_bytes)
            self._device_memory.labels(use.device).set(use.memory_bytes)
            self._device_busy.labels(use.device).set(use.utilization)

    def keys(self, names: Collection[str]) -> None:
        """These keys are in force; series of others end."""
        for gone in self._keys - set(names):
            self._key_cost.remove(gone)
        self._key_budget.clear()
        self._keys = set(names)
        for name in names:
            self._key_cost.labels(name)

    def spent(self, key: str, cost: float) -> None:
        """`key`: the name of one that is in force."""
        self._key_cost.labels(key).inc(cost)

    def budget_left(self, key: str, ratio: float) -> None:
        self._key_budget.labels(key).set(ratio)

    def ready(self, ready: bool) -> None:
        self._ready.set(ready)

    def samples(self, plan: Plan, stage: str, count: int) -> None:
        self._samples.labels(plan.model, plan.contract.value, stage).inc(count)

    def dealt(self, blocks: int, room: int) -> None:
        self._blocks.inc(blocks)
        self._room.inc(room)

    def answered(self, device: str, seconds: float) -> None:
        self._busy.labels(device).inc(seconds)

    def memory_halved(self, device: str) -> None:
        self._halvings.labels(device).inc()

    def worker_lost(self) -> None:
        self._losses.inc()

    def admitted(self, runs: int) -> None:
        self._depth.set(runs)

    def model_load(self, result: str, seconds: float) -> None:
        self._loads.labels(result).inc()
        self._load_seconds.observe(seconds)

    def models_evicted(self, count: int) -> None:
        self._evictions.inc(count)

    def models_held(self, count: int, size_bytes: int) -> None:
        self._models.set(count)
        self._model_bytes.set(size_bytes)

    def spans(self, result: str, count: int) -> None:
        self._spans.labels(result).inc(count)

    def reload(self, result: str) -> None:
        self._reloads.labels(result).inc()
