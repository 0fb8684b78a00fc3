"""A service that is told to read its models again, and what it then says and answers."""

import os
import signal
from typing import Any

import httpx
from tests.api.attack import wait_for
from tests.api.publishing import CLIP, FIELDS
from tests.conftest import Service


def reload(service: Service) -> dict[str, Any]:
    """SIGHUP, and how it went."""
    before = listed(service)["last_reload"]
    os.kill(service.pid, signal.SIGHUP)
    assert wait_for(lambda: listed(service)["last_reload"] != before)
    done: dict[str, Any] = listed(service)["last_reload"]
    return done


def listed(service: Service) -> dict[str, Any]:
    with service.client() as client:
        answer: dict[str, Any] = client.get("/models").raise_for_status().json()
    return answer


def model(service: Service, name: str) -> dict[str, Any]:
    with service.client() as client:
        answer: dict[str, Any] = client.get(f"/models/{name}").raise_for_status().json()
    return answer


def ask(service: Service, name: str, **fields: str) -> httpx.Response:
    with service.client() as client:
        return client.post("/certify", files={"audio": CLIP}, data=FIELDS | {"model": name} | fields)


def certify(service: Service, name: str, **fields: str) -> dict[str, Any]:
    answer = ask(service, name, **fields)
    assert answer.status_code == 200, answer.text
    certificate: dict[str, Any] = answer.json()
    return certificate
