"""A worker that hangs (SIGSTOP) while it has work: readiness goes off, it is replaced, and no request is lost."""

import signal
from pathlib import Path

from tests.api.attack import certificate, metric, wait_for
from tests.conftest import YES, serving
from tests.faults.injecting import LONG, certify, readiness, under_way, worker_of


def test_a_hung_worker_is_noticed_and_replaced_and_its_request_gets_the_same_certificate(
    linear: Path, tmp_path: Path
) -> None:
    """Readiness turns false once work is there and no vote came for SOUNDPROOF_WORKER_UNREADY_S seconds, and true when
    one does: of the same worker, which is stopped for a moment, and of its successor."""
    with (
        serving(linear, tmp_path / "log", SOUNDPROOF_WORKER_UNREADY_S="1", SOUNDPROOF_WORKER_STALL_S="5") as service,
        service.client() as client,
    ):
        hung = worker_of(service)
        with under_way(service) as asked:
            hung.send_signal(signal.SIGSTOP)
            assert wait_for(lambda: readiness(client) == 503)
            hung.send_signal(signal.SIGCONT)
            assert wait_for(lambda: readiness(client) == 200)
            undisturbed = certificate(asked.result(60))
        assert worker_of(service).pid == hung.pid
        assert metric(service, "soundproof_worker_losses_total") == 0
        with under_way(service) as asked:
            hung.send_signal(signal.SIGSTOP)
            assert wait_for(lambda: readiness(client) == 503)
            assert "silent" in client.get("/readyz").json()["detail"]
            assert metric(service, "soundproof_ready") == 0
            assert metric(service, "soundproof_worker_heartbeat_age_seconds") >= 1
            assert client.get("/livez").is_success
            assert wait_for(lambda: metric(service, "soundproof_worker_losses_total") == 1)
            disturbed = certificate(asked.result(60))
        assert disturbed["certificate_id"] == undisturbed["certificate_id"]
        assert worker_of(service).pid != hung.pid
        assert wait_for(lambda: readiness(client) == 200)
        assert metric(service, "soundproof_ready") == 1
        assert certificate(certify(client, YES.read_bytes(), **LONG))["certificate_id"] == undisturbed["certificate_id"]
