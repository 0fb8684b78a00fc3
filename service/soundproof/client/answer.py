"""A certificate as it was answered."""

from dataclasses import dataclass

from soundproof.certificate import AbstainedCertificate, CertifiedCertificate


@dataclass(frozen=True)
class Answer:
    """`body`: the certificate's JSON document, byte by byte: what to store, and to verify later. `cached`: the service
    had answered the same before, and drew no vote for this answer."""

    certificate: CertifiedCertificate | AbstainedCertificate
    body: bytes
    cached: bool
