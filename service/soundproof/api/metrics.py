"""All metric names, in one place. Labels come from closed sets only, so their number is bounded."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from soundproof.job import State
from soundproof.store.tally import Tally

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HTTP_SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)
LOAD_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
RUN_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 20, 30, 60, 120, 300)


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
            ["contract", "outcome"],
            registry=registry,
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
        self._samples = Counter("soundproof_noise_samples", "Noise samples voted on", ["stage"], registry=registry)
        self._depth = Gauge("soundproof_queue_depth", "Certifications admitted and not finished", registry=registry)
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
        self._ready = Gauge("soundproof_ready", "1 when work can make progress", registry=registry)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the template, never the address itself."""
        self._requests.labels(route, method if method in METHODS else "other", str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def certification(self, contract: str, outcome: str) -> None:
        self._certifications.labels(contract, outcome).inc()

    def cache_hit(self) -> None:
        self._cache_hits.inc()

    def jobs(self, tally: Tally) -> None:
        for state in State:
            self._jobs.labels(state.value).set(getattr(tally.jobs, state.value))
            self._job_clips.labels(state.value).set(getattr(tally.clips, state.value))
        self._accepted_clips.set(tally.clips_accepted)

    def store_up(self, up: bool) -> None:
        self._store_up.set(up)

    def verification(self, result: str) -> None:
        self._verifications.labels(result).inc()

    def computed(self, queue_s: float, run_s: float) -> None:
        self._queue_seconds.observe(queue_s)
        self._run_seconds.observe(run_s)

    def ready(self, ready: bool) -> None:
        self._ready.set(ready)

    def samples(self, stage: str, count: int) -> None:
        self._samples.labels(stage).inc(count)

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

    def reload(self, result: str) -> None:
        self._reloads.labels(result).inc()
