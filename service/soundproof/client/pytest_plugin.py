"""A pytest plugin: certificates as assertions.

    def test_yes_is_robust(assert_certified):
        assert_certified("clips/yes.wav", label="yes", snr_db=70)

    pytest --soundproof-url http://127.0.0.1:8000        or SOUNDPROOF_URL; SOUNDPROOF_API_KEY where it has keys

Each assertion is a certificate of its own, false with probability at most alpha. What a whole suite claims at once is
the gate's business (docs/qa-pipeline.md).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from soundproof.certificate import AbstainedCertificate, CertifiedCertificate
from soundproof.client.api_key import api_key_from_environment
from soundproof.client.client import Client
from soundproof.client.patience import Patience
from soundproof.client.problem import ClientError, ProblemError
from soundproof.stats.rounding import format_up

# Seconds to wait in all for a busy service, per assertion.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class AssertCertified:
    """Call it with a WAV file, its true class, and the SNR in dB that it must hold down to."""

    url: str
    api_key: str | None = field(default=None, repr=False)

    def __call__(self, clip: str | Path | bytes, *, label: str, snr_db: float, **fields: Any) -> CertifiedCertificate:
        """The certificate, if the clip is certified as `label` at `snr_db`; else the test fails, and says what was
        certified, or why nothing was. `fields` as in POST /certify: model, contract, sigma, n, alpha, ..."""
        __tracebackhide__ = True
        asked = f"{'the clip' if isinstance(clip, bytes) else clip} is not certified as {label!r} at {snr_db:.12g} dB"
        fields = {"label": label, "target_snr_db": snr_db} | fields
        trouble = ""
        try:
            certificate = self._certificate(clip, fields)
        except (ClientError, httpx.HTTPError, OSError) as error:
            trouble = f"{error.code}: {error}" if isinstance(error, ProblemError) else f"{error}"
        if trouble:  # not where it was caught, or pytest shows both
            pytest.fail(f"{asked}: {trouble}", pytrace=False)
        if isinstance(certificate, AbstainedCertificate):
            pytest.fail(f"{asked}. {certificate.statement}", pytrace=False)
        if not certificate.correct:
            pytest.fail(f"{asked}: it is {certificate.prediction.label!r}. {certificate.statement}", pytrace=False)
        if certificate.snr_cert_db is None or certificate.snr_cert_db > snr_db:
            reach = "no SNR" if certificate.snr_cert_db is None else f"{format_up(certificate.snr_cert_db, 5)} dB"
            pytest.fail(f"{asked}, only at {reach}. {certificate.statement}", pytrace=False)
        return certificate

    def _certificate(
        self, clip: str | Path | bytes, fields: dict[str, Any]
    ) -> CertifiedCertificate | AbstainedCertificate:
        with Client(self.url, api_key=self.api_key) as client:
            return Patience(total_s=PATIENCE_S).of_sync(lambda: client.certify(clip, **fields), lambda _wait: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("soundproof").addoption(
        "--soundproof-url",
        default=os.environ.get("SOUNDPROOF_URL"),
        help="the service that `assert_certified` asks; SOUNDPROOF_URL",
    )


@pytest.fixture(scope="session")
def assert_certified(pytestconfig: pytest.Config) -> AssertCertified:
    """`assert_certified(clip, label=..., snr_db=...)`: the clip holds at that SNR, by a certificate."""
    url = pytestconfig.getoption("--soundproof-url")
    if not url:
        pytest.fail("assert_certified needs a service: --soundproof-url URL, or SOUNDPROOF_URL", pytrace=False)
    try:
        return AssertCertified(url, api_key_from_environment())
    except ValueError as error:
        pytest.fail(f"{error}", pytrace=False)
