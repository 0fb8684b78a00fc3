"""Certificates: kept as the bytes that were answered, found by content address and by request."""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, or_, select

from soundproof.errors import UnknownCertificate
from soundproof.store.clock import Clock, milliseconds
from soundproof.store.database import Database, insert_new
from soundproof.store.schema import CertificateRow


@dataclass(frozen=True, kw_only=True)
class KeptCertificate:
    """`body`: the JSON document as it is answered, byte by byte. `request_key`: see request_key.py."""

    certificate_id: str
    request_key: str
    body: bytes


@dataclass(frozen=True)
class Certificates:
    """Safe for many threads at once. Every method is a transaction of its own and may raise StoreUnavailable."""

    database: Database
    clock: Clock

    def get(self, certificate_id: str) -> KeptCertificate:
        """Raises UnknownCertificate."""
        with self.database.reading() as connection:
            row = connection.execute(_SELECTED.where(CertificateRow.certificate_id == certificate_id)).one_or_none()
        if row is None:
            raise UnknownCertificate(f"There is no certificate {certificate_id!r} here.", "It may have been deleted.")
        return _kept(row)

    def answer_to(self, request_key: str) -> KeptCertificate | None:
        """What the same request was answered before; None if it never was."""
        with self.database.reading() as connection:
            row = connection.execute(_SELECTED.where(CertificateRow.request_key == request_key)).one_or_none()
        return None if row is None else _kept(row)

    def keep(self, certificate: KeptCertificate) -> KeptCertificate:
        """Keep it, unless the same request has a certificate already; the one that is kept. Whoever answers with that
        gives the same bytes as everybody else, however many certify the same at once."""
        with self.database.writing() as connection:
            return keep(connection, certificate, milliseconds(self.clock))


def keep(connection: Connection, certificate: KeptCertificate, now_ms: int) -> KeptCertificate:
    """As Certificates.keep, within a transaction."""
    row = {
        "certificate_id": certificate.certificate_id,
        "request_key": certificate.request_key,
        "created_ms": now_ms,
        "body": certificate.body,
    }
    # Either way its row is held to the end of the transaction, so that nobody deletes what is about to be referred to.
    same = or_(
        CertificateRow.request_key == certificate.request_key,
        CertificateRow.certificate_id == certificate.certificate_id,
    )
    while not insert_new(connection, CertificateRow, row):
        selected = _SELECTED.where(same).with_for_update(read=True, key_share=True)
        # Two rows only where a certificate was kept under another version's key: the request's own comes first.
        kept = [_kept(found) for found in connection.execute(selected)]
        if kept:
            return min(kept, key=lambda found: found.request_key != certificate.request_key)
    return certificate


_SELECTED = select(CertificateRow.certificate_id, CertificateRow.request_key, CertificateRow.body)


def _kept(row: Row[str, str, bytes]) -> KeptCertificate:
    certificate_id, key, body = row
    return KeptCertificate(certificate_id=certificate_id, request_key=key, body=body)
