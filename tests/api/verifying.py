"""POST /verify as tests send it."""

import json
from typing import Any

import httpx
from tests.conftest import Service

NAMES = ["document", "signature", "audio", "model", "seed", "votes", "derived", "rerun", "fresh"]


def post(service: Service, certificate: dict[str, Any] | bytes, clip: bytes, **fields: Any) -> httpx.Response:
    content = certificate if isinstance(certificate, bytes) else json.dumps(certificate).encode()
    with service.client() as client:
        return client.post(
            "/verify",
            files={"audio": ("clip.wav", clip), "certificate": ("certificate.json", content)},
            data={key: str(value) for key, value in fields.items()},
        )


def verify(service: Service, certificate: dict[str, Any] | bytes, clip: bytes, **fields: Any) -> dict[str, Any]:
    """The report, whose shape is held to."""
    answer = post(service, certificate, clip, **fields)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    assert [check["name"] for check in report["checks"]] == NAMES
    assert all(check["detail"] for check in report["checks"])
    return report


def names(report: dict[str, Any], result: str) -> list[str]:
    """The checks with that result, in order."""
    return [check["name"] for check in report["checks"] if check["result"] == result]


def detail(report: dict[str, Any], name: str) -> str:
    found: str = next(check["detail"] for check in report["checks"] if check["name"] == name)
    return found
