"""Clients in numbers, and clients that do not read: each costs what it holds, for a bounded time, and nobody else."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from tests.api.attack import GOOD, WHOLE, Connection, certificate, connection, head, metric, wait_for
from tests.conftest import Service, serving
from tests.faults.injecting import at_once, certify

from soundproof.client.client import Client
from soundproof.client.patience import Patience

IDLE, STORM, CALLERS, PLACES = 1000, 400, 16, 2


@pytest.fixture(scope="module")
def service(linear: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With few places in its queue, and little patience with clients that do not read."""
    log = tmp_path_factory.mktemp("service") / "log"
    with serving(linear, log, SOUNDPROOF_QUEUE_RUNS=str(PLACES), SOUNDPROOF_UNREAD_S="1") as running:
        process = psutil.Process(running.pid)
        descriptors = process.num_fds()
        yield running
        assert wait_for(lambda: process.num_fds() <= descriptors + 4)
        assert metric(running, "soundproof_queue_depth") == 0
        assert metric(running, "soundproof_queue_waiting") == 0
        assert metric(running, "soundproof_worker_losses_total") == 0
    assert "Traceback" not in log.read_text()


@contextlib.contextmanager
def idle(service: Service, count: int) -> Iterator[list[Connection]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connection(service)) for _ in range(count)]


def test_a_thousand_idle_connections_keep_nobody_waiting_and_are_ended(service: Service) -> None:
    with idle(service, IDLE) as waiting, service.client() as client:
        certificate(certify(client))
        assert client.get("/livez").is_success
        assert all(opened.is_closed() for opened in waiting)


def test_a_service_out_of_descriptors_goes_on_when_clients_have_left(service: Service) -> None:
    process = psutil.Process(service.pid)
    limits = process.rlimit(psutil.RLIMIT_NOFILE)
    few = process.num_fds() + 20
    process.rlimit(psutil.RLIMIT_NOFILE, (few, limits[1]))
    try:
        with idle(service, 60):
            assert wait_for(lambda: process.num_fds() >= few - 2)
        with service.client() as client:
            certificate(certify(client))
    finally:
        process.rlimit(psutil.RLIMIT_NOFILE, limits)


def test_a_storm_of_clients_that_break_off_leaves_nothing_behind(service: Service) -> None:
    reset = struct.pack("ii", 1, 0)
    pieces = [b"", b"POST", head(Content_Length=len(WHOLE)), head(Content_Length=len(WHOLE)) + WHOLE[:300]]
    pieces.append(head(Content_Length=len(WHOLE)) + WHOLE)

    def break_off(number: int) -> None:
        with connection(service) as opened, contextlib.suppress(ConnectionError):
            opened.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            opened.send(pieces[number % len(pieces)])

    with ThreadPoolExecutor(50) as threads:
        list(threads.map(break_off, range(STORM)))
    with service.client() as client:
        assert wait_for(lambda: certify(client).is_success)
    assert wait_for(lambda: metric(service, "soundproof_queue_depth") == 0)


def test_many_who_are_sent_away_and_come_back_are_all_served_in_the_end(service: Service) -> None:
    refused = metric(service, "soundproof_problems_total", code="queue_full")

    def ask(number: int) -> str:
        with Client(service.url) as client:
            return Patience().of_sync(lambda: client.certify(GOOD, n=500, sigma=2, seed=number)).certificate_id

    certificates = at_once(CALLERS, ask)
    assert len(set(certificates)) == CALLERS
    assert metric(service, "soundproof_problems_total", code="queue_full") > refused


def test_a_client_that_asks_and_does_not_read_is_cut_off(service: Service) -> None:
    """What it holds of the answers that wait for it is bounded by the buffers of its connection."""
    before = psutil.Process(service.pid).memory_info().rss
    readers = [_deaf(service) for _ in range(20)]
    try:
        for reader in readers:
            with contextlib.suppress(OSError):
                while True:  # until neither side takes any more, or the service has ended it
                    reader.sendall(head("GET /openapi.json"))
        with service.client() as client:
            certificate(certify(client))
        process = psutil.Process(service.pid)
        assert wait_for(lambda: not _connected(process, readers))
        assert process.memory_info().rss < before + (64 << 20)
    finally:
        for reader in readers:
            reader.close()


def _deaf(service: Service) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.settimeout(1.0)
    opened.connect(("127.0.0.1", service.port))
    return opened


def _connected(process: psutil.Process, clients: list[socket.socket]) -> bool:
    ours = {client.getsockname()[1] for client in clients}
    return any(each.raddr and each.raddr.port in ours for each in process.net_connections("tcp"))
