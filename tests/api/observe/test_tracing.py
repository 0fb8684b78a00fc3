"""What a collector is told of requests and of clips of jobs, by a service that runs."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.api.attack import AUDIO, GOOD, certificate, connection, form, head, metric, part, problem, upload, wait_for
from tests.api.jobs.asking import ended, sound, submit
from tests.api.observe.collector import Collector, Seen, collecting
from tests.conftest import ROOT, Service, serving


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def traced(collector: Collector, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("traced") / "log"
    with serving(models, log, SOUNDPROOF_TRACING=collector.url, OTEL_BSP_SCHEDULE_DELAY="100") as running:
        yield running


def names(spans: list[Seen]) -> list[str]:
    return [span.name for span in spans]


def told(span: Seen) -> dict[str, Any]:
    """The attributes of ours."""
    ours = "soundproof."
    return {name.removeprefix(ours): value for name, value in span.attributes.items() if name.startswith(ours)}


def test_a_request_is_a_span_with_its_stages_below_it(traced: Service, collector: Collector) -> None:
    answer = upload(traced, GOOD, n=300)
    compute = certificate(answer)["compute"]
    root, *stages = collector.of_request(answer.headers["x-request-id"])
    assert root.name == "POST /certify"
    assert root.parent_id == ""
    assert names(stages) == ["ingest", "queue", "prepare", "sample"]
    assert {stage.parent_id for stage in stages} == {root.span_id}
    ingest, queue, prepare, sample = stages
    assert ingest.begun_ns == root.begun_ns
    assert (queue.ended_ns, prepare.ended_ns) == (prepare.begun_ns, sample.begun_ns)
    assert ingest.ended_ns <= queue.begun_ns
    assert sample.ended_ns <= root.ended_ns
    assert queue.seconds == pytest.approx(compute["queue_s"], abs=1e-6)
    assert prepare.seconds + sample.seconds == pytest.approx(compute["run_s"], abs=1e-6)
    assert root.attributes["http.route"] == "/certify"
    assert root.attributes["http.response.status_code"] == 200
    assert told(root) == {
        "request_id": answer.headers["x-request-id"],
        "model": "a-tiny",
        "contract": "waveform",
        "outcome": "certified",
        "cached": False,
    }
    assert told(sample) == {"devices": ["cpu"], "samples": 400, "messages": sample.attributes["soundproof.messages"]}
    assert sample.attributes["soundproof.messages"] >= 1
    assert collector.paths == {"/v1/traces"}
    assert collector.resource["service.name"] == "soundproof"


def test_what_is_kept_is_stored_and_what_was_kept_is_not_drawn(traced: Service, collector: Collector) -> None:
    with traced.client(kept=True) as client:
        data = {"n": "310", "sigma": "0.01"}
        answers = [client.post("/certify", files={"audio": GOOD}, data=data) for _ in range(2)]
    first, second = (collector.of_request(answer.headers["x-request-id"]) for answer in answers)
    assert names(first[1:]) == ["ingest", "queue", "prepare", "sample", "store"]
    assert names(second[1:]) == ["ingest"]
    assert told(second[0])["cached"] is True


def test_every_certification_of_a_sweep_has_stages_of_its_own(traced: Service, collector: Collector) -> None:
    with traced.client() as client:
        data = {"n": "300", "settings": "waveform:0.01,waveform:0.02"}
        answer = client.post("/certify/sweep", files={"audio": GOOD}, data=data)
    assert answer.is_success, answer.text
    root, *others = collector.of_request(answer.headers["x-request-id"])
    certifications = [span for span in others if span.name == "certify"]
    assert len(certifications) == 2
    assert {span.parent_id for span in certifications} == {root.span_id}
    for each in certifications:
        assert sorted(names([span for span in others if span.parent_id == each.span_id])) == [
            "prepare",
            "queue",
            "sample",
        ]
        assert told(each)["outcome"] == "certified"


def test_a_refused_request_tells_its_problem(traced: Service, collector: Collector) -> None:
    answer = upload(traced, b"RIFF")
    root, ingest = collector.of_request(problem(answer, 422, "malformed_wav")["request_id"])
    assert told(root)["problem"] == "malformed_wav"
    assert told(root)["outcome"] == "refused"
    assert not root.is_error  # the caller's fault
    assert (ingest.name, ingest.is_error) == ("ingest", True)
    assert ingest.attributes["error.type"] == "malformed_wav"


def test_a_stream_is_traced_to_its_end(traced: Service, collector: Collector) -> None:
    answer = upload(traced, GOOD, n=320, progress=True)
    root, *stages = collector.of_request(answer.headers["x-request-id"])
    assert names(stages) == ["ingest", "queue", "prepare", "sample"]
    assert told(root)["outcome"] == "certified"


def test_a_client_that_leaves_is_told_as_cancelled(traced: Service, collector: Collector) -> None:
    body = form(AUDIO, part("n", "1000000"))
    with connection(traced) as leaving:
        leaving.send(head(Content_Length=len(body), X_Request_ID="leaves"), body)
        assert wait_for(lambda: metric(traced, "soundproof_queue_depth") == 1)
    root, *stages = collector.of_request("leaves")
    assert told(root)["outcome"] == "cancelled"
    assert root.attributes["http.response.status_code"] == 499
    assert names(stages) == ["ingest"]


def test_a_callers_trace_goes_on(traced: Service, collector: Collector) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with traced.client() as client:
        answer = client.get("/models", headers={"traceparent": f"00-{trace_id}-{span_id}-01"})
    [root] = collector.of_request(answer.headers["x-request-id"])
    assert (root.trace_id, root.parent_id) == (trace_id, span_id)


def test_what_is_asked_every_few_seconds_is_not_traced(traced: Service, collector: Collector) -> None:
    with traced.client() as client:
        for path in ("/livez", "/readyz", "/metrics"):
            client.get(path).raise_for_status()
        client.get("/models", headers={"X-Request-ID": "behind-probes"})
    collector.of_request("behind-probes")
    assert not {"GET /livez", "GET /readyz", "GET /metrics"} & set(names(collector.spans))


@pytest.mark.parametrize("nonsense", ["", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 5000])
def test_a_traceparent_that_is_none_starts_a_new_trace(traced: Service, collector: Collector, nonsense: str) -> None:
    with traced.client() as client:
        answer = client.get("/models", headers={"traceparent": nonsense})
    [root] = collector.of_request(answer.headers["x-request-id"])
    assert root.parent_id == ""


def test_a_clip_of_a_job_is_a_trace_that_links_to_the_submission(traced: Service, collector: Collector) -> None:
    with traced.client() as client:
        job = submit(client, [("secret name.wav", sound(1)), ("broken.wav", b"RIFF")], n=300)
        ended(client, job["id"])

    def of_job(name: str) -> list[Seen]:
        return [span for span in collector.spans if span.name == name and told(span).get("job_id") == job["id"]]

    assert wait_for(lambda: len(of_job("clip")) == 2 and len(of_job("POST /jobs")) == 1)
    [submission] = of_job("POST /jobs")
    assert sorted(names(collector.below(submission))) == ["ingest", "store"]
    good, broken = sorted(of_job("clip"), key=lambda span: told(span)["position"])
    for clip in (good, broken):
        assert clip.parent_id == ""
        assert clip.trace_id != submission.trace_id
        [(trace_id, span_id)] = clip.links
        assert trace_id == submission.trace_id
        assert span_id in {span.span_id for span in (submission, *collector.below(submission))}
    assert names(collector.below(good)) == ["ingest", "queue", "prepare", "sample", "store", "store"]
    assert told(good)["outcome"] == "certified"
    assert told(broken)["problem"] == "malformed_wav"


def test_nothing_that_was_sent_is_told(traced: Service, collector: Collector) -> None:
    secret = "c0ffee-hush"  # noqa: S105
    headers = {"Authorization": f"Bearer {secret}", "Cookie": secret, "tracestate": f"x={secret}", "User-Agent": secret}
    with traced.client() as client:
        answer = client.post(
            f"/certify?{secret}",
            files={"audio": (f"{secret}.wav", GOOD)},
            data={"n": "300", "label": secret, "model": secret},
            headers=headers,
        )
        client.get(f"/{secret}", headers={"X-Request-ID": "last"})
    assert told(collector.of_request(answer.headers["x-request-id"])[0])["model"] == "(unknown)"
    collector.of_request("last")
    assert not [message for message in collector.raw if secret.encode() in message]
    assert not re.search(secret, traced.log.read_text())


def test_lines_of_the_log_name_the_trace(traced: Service, collector: Collector) -> None:
    answer = upload(traced, GOOD, n=330)
    request_id = answer.headers["x-request-id"]
    root, *_ = collector.of_request(request_id)
    [line] = [line for line in traced.log.read_text().splitlines() if request_id in line]
    assert f"trace_id={root.trace_id}" in line


def test_a_service_ends_with_its_last_spans_sent(models: Path, tmp_path: Path) -> None:
    with collecting() as collector:
        service = serving(models, tmp_path / "log", SOUNDPROOF_TRACING=collector.url, OTEL_SERVICE_NAME="another name")
        with service as running, running.client() as client:
            client.get("/models", headers={"X-Request-ID": "the-last"})
        root, *_ = collector.of_request("the-last")
        assert root.name == "GET /models"
        assert collector.resource["service.name"] == "another name"


def test_opentelemetrys_own_variables_say_where_to(models: Path, tmp_path: Path) -> None:
    with collecting() as collector:
        service = serving(
            models, tmp_path / "log", SOUNDPROOF_TRACING="otel", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
        )
        with service as running, running.client() as client:
            client.get("/models", headers={"X-Request-ID": "otel"})
        collector.of_request("otel")


def test_a_collector_that_is_not_there_harms_nothing(models: Path, tmp_path: Path, free_port_url: str) -> None:
    service = serving(models, tmp_path / "log", SOUNDPROOF_TRACING=free_port_url, OTEL_EXPORTER_OTLP_TIMEOUT="1")
    with service as running:
        assert certificate(upload(running, GOOD, n=300))["outcome"] == "certified"
        assert wait_for(lambda: metric(running, "soundproof_trace_spans_total", result="failed") > 0)
        assert metric(running, "soundproof_trace_spans_total", result="exported") == 0
        with running.client() as client:
            assert client.get("/readyz").is_success
    assert "Traceback" not in running.log.read_text()


@pytest.fixture
def free_port_url() -> str:
    """Where nobody listens."""
    with collecting() as gone:
        return gone.url


def test_off_no_exporter_is_imported() -> None:
    """FastAPI imports OpenTelemetry's interfaces itself; what sends is the SDK and the exporter."""
    code = (
        "import sys; from soundproof.api.app import create_app; from soundproof.settings import Settings;"
        "create_app(Settings(store='', devices='cpu'));"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_off_nothing_is_sent_whatever_opentelemetrys_variables_say(models: Path, tmp_path: Path) -> None:
    with collecting() as collector:
        service = serving(
            models,
            tmp_path / "log",
            FASTAPI_OTEL_AUTO_CONFIGURE="true",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        )
        with service as running, running.client() as client:
            client.get("/nowhere?secret")
        assert not collector.raw
