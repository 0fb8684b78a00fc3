"""Certificates as a table for people. Radii are printed rounded down, SNRs up."""

from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.table import Table

from soundproof.certificate import AbstainedCertificate, CertifiedCertificate
from soundproof.stats.rounding import format_down, format_up

RADIUS_DIGITS, SNR_DIGITS = 5, 4


@dataclass
class CertificateTable:
    """A row for every file, whatever became of it, and below it what was asked."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)

    def add(self, file: str, certificate: CertifiedCertificate | AbstainedCertificate) -> None:
        self._note_terms(certificate)
        if isinstance(certificate, AbstainedCertificate):
            if certificate.gate is None:
                self.rows.append((file, "abstained", certificate.reason))
            else:
                drawn = f"{certificate.sampling.samples_used} drawn"
                self.rows.append((file, certificate.verdict or "abstained", certificate.reason, "", "", "", drawn))
            return
        answer = certificate.prediction.label + {True: " (right)", False: " (WRONG)", None: ""}[certificate.correct]
        domain, votes = certificate.file_domain, certificate.sampling
        self.rows.append(
            (
                file,
                "certified",
                answer,
                format_down(certificate.radius, RADIUS_DIGITS),
                _snr(certificate.snr_cert_db),
                format_down(domain.radius, RADIUS_DIGITS) if domain else "",
                f"{votes.counts[certificate.prediction.index]}/{votes.samples_used}",
            )
        )

    def refuse(self, file: str, code: str) -> None:
        self.rows.append((file, "refused", code))

    def render(self) -> Table:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, caption="\n".join(self.terms), caption_justify="left")
        for name in ("file", "outcome", "answer", "radius", "SNR dB", "file radius", "votes"):
            table.add_column(name, overflow="fold", no_wrap=name not in ("file", "answer"))
        for row in self.rows:
            table.add_row(*row)
        return table

    def _note_terms(self, certificate: CertifiedCertificate | AbstainedCertificate) -> None:
        contract, sampling = certificate.contract, certificate.sampling
        terms = (
            f"contract {contract.name}, transform {contract.transform.name}, sigma {contract.perturbation.sigma:.12g}, "
            f"n {sampling.n}, alpha {sampling.alpha:.12g}; radius in {certificate.radius_unit}"
        )
        if certificate.gate is not None:
            target = repr(certificate.gate.target_snr_db).removesuffix(".0")
            terms += f"; asked whether {target} dB holds, with at most n votes"
        if contract.perturbation.noise == "lattice":
            terms += "; noise on a lattice"
        if contract.perturbation.space == "feature":
            terms += "; says nothing about waveforms"
        if certificate.saturated:
            terms += "; where all votes agree, the radius is the ceiling of this n"
        if terms not in self.terms:
            self.terms.append(terms)


def _snr(value: float | None) -> str:
    return "" if value is None else format_up(value, SNR_DIGITS)
