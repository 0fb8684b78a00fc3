"""Addresses and methods that there are not, asked of the running service."""

import pytest
from tests.api.attack import GOOD, problem
from tests.conftest import Service

pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.mark.parametrize("path", ["no-such-model", "%00", "%ff%fe", "%2e%2e", "x" * 10_000, "%0d%0aX-Injected:%20y"])
def test_an_unknown_address_of_a_model_is_refused_with_those_there_are(service: Service, path: str) -> None:
    with service.client() as client:
        answer = client.get(f"/models/{path}")
    assert "a-tiny" in problem(answer, 404, "unknown_model")["hint"]
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_than_post_are_refused_with_the_one_there_is(service: Service, method: str) -> None:
    with service.client() as client:
        answer = client.request(method, "/certify")
    assert answer.headers["allow"] == "POST"
    if method == "HEAD":
        assert (answer.status_code, answer.content) == (405, b"")
        assert answer.headers["content-type"] == "application/problem+json"
    else:
        problem(answer, 405, "method_not_allowed")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/certify/x", "//certify", "/%2e%2e/certify", "/certify%00", "/.git/config"]
)
def test_other_addresses_are_refused(service: Service, path: str) -> None:
    with service.client() as client:
        problem(client.post(path, files={"audio": GOOD}), 404, "not_found")
