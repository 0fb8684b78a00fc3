"""HEAD: what GET would answer, without the content."""

import pytest
from tests.api.attack import metric, problem
from tests.api.jobs.asking import ended, sound, submit
from tests.conftest import Service

from soundproof.api.access.addresses import ADDRESSES

WHOLE = [
    address.path
    for address in ADDRESSES
    if address.method == "GET" and "{" not in address.path and address.path != "/metrics"
]


@pytest.mark.parametrize("path", [*WHOLE, "/models/a-tiny"])
def test_the_headers_are_those_of_get(service: Service, path: str) -> None:
    with service.client() as client:
        whole, head = client.get(path), client.head(path)
        again = client.get(path)
    assert (head.status_code, head.content) == (whole.status_code, b"") == (200, b"")
    differing = {"date", "x-request-id"}
    assert {name: value for name, value in head.headers.items() if name not in differing} == {
        name: value for name, value in whole.headers.items() if name not in differing
    }
    assert int(head.headers["content-length"]) == len(whole.content) > 0
    assert again.content == whole.content  # on the same connection


def test_it_is_counted_as_what_it_is(service: Service) -> None:
    about = {"method": "HEAD", "route": "/models/{name}", "status": "200"}
    before = metric(service, "soundproof_http_requests_total", **about)
    with service.client() as client:
        client.head("/models/a-tiny")
    assert metric(service, "soundproof_http_requests_total", **about) == before + 1


@pytest.mark.parametrize("rest", ["/events", "/results", ""])
def test_of_a_stream_it_waits_for_nothing(service: Service, rest: str) -> None:
    with service.client() as client:
        job = submit(client, [(f"{number}.wav", sound(900 + number)) for number in range(3)], n=100_000)
        path = f"/jobs/{job['id']}{rest}"
        answers = [client.head(path) for _ in range(3)]
        assert client.get(f"/jobs/{job['id']}").json()["state"] in ("queued", "running")
        client.delete(f"/jobs/{job['id']}").raise_for_status()
        ended(client, job["id"])
        with client.stream("GET", path) as whole:
            assert {answer.headers["content-type"] for answer in answers} == {whole.headers["content-type"]}
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"")}


def test_what_is_not_there_is_not_there(service: Service) -> None:
    with service.client() as client:
        assert (client.head("/models/none").status_code, client.head("/nowhere").status_code) == (404, 404)
        refused = client.put("/models")
    problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "GET, HEAD"
