"""Certificates as they are answered: the same bytes whenever the same is asked."""

import logging
from dataclasses import dataclass

from pydantic import TypeAdapter
from starlette.responses import Response

from soundproof.api.keeper import Keeper
from soundproof.certificate import AbstainedCertificate, Certificate, CertifiedCertificate
from soundproof.errors import StoreUnavailable
from soundproof.signing import SigningKey, sign
from soundproof.store.certificates import KeptCertificate

log = logging.getLogger("soundproof.api")

Issued = CertifiedCertificate | AbstainedCertificate
_ISSUED: TypeAdapter[Issued] = TypeAdapter(Certificate)


@dataclass(frozen=True)
class Answer:
    """`body`: the certificate as a JSON document. `cached`: it was kept before it was asked for this time."""

    certificate: Issued
    body: bytes
    request_key: str
    cached: bool

    @property
    def document(self) -> KeptCertificate:
        return KeptCertificate(
            certificate_id=self.certificate.certificate_id, request_key=self.request_key, body=self.body
        )

    @property
    def response(self) -> Response:
        return Response(self.body, headers={"Cached": str(self.cached).lower()}, media_type="application/json")


@dataclass(frozen=True)
class Answers:
    """Signed with the key there is now: one that was signed with another, or not at all, is signed anew.

    A certificate does not depend on being kept: where the store cannot be had, it is drawn again and answered unkept.
    """

    keeper: Keeper
    signing_key: SigningKey | None

    async def known(self, request_key: str) -> Answer | None:
        """What the same request was answered before."""
        try:
            kept = await self.keeper.call(lambda store: store.certificates.answer_to(request_key))
        except StoreUnavailable as error:
            log.warning("no certificate can be looked up: %s", error.detail)
            return None
        return None if kept is None else self._answer(kept, cached=True)

    async def keep(self, certificate: Issued, request_key: str) -> Answer:
        """The answer from now on, unless somebody else's was kept meanwhile."""
        own = self.unkept(certificate, request_key)
        try:
            kept = await self.keeper.call(lambda store: store.certificates.keep(own.document))
        except StoreUnavailable as error:
            log.warning("certificate %s is not kept: %s", certificate.certificate_id, error.detail)
            return own
        return self._answer(kept, cached=False)

    def unkept(self, certificate: Issued, request_key: str) -> Answer:
        """The answer this time."""
        signed = self._signed(certificate)
        return Answer(signed, signed.model_dump_json().encode(), request_key, cached=False)

    async def get(self, certificate_id: str) -> Answer:
        """Raises UnknownCertificate and StoreUnavailable."""
        return self._answer(await self.keeper.call(lambda store: store.certificates.get(certificate_id)), cached=True)

    def of_the_day(self, body: bytes) -> bytes:
        """A certificate that is kept, as it is answered now."""
        return self._read(body)[1]

    def _answer(self, kept: KeptCertificate, *, cached: bool) -> Answer:
        return Answer(*self._read(kept.body), kept.request_key, cached)

    def _read(self, body: bytes) -> tuple[Issued, bytes]:
        certificate = _ISSUED.validate_json(body)
        signed = self._signed(certificate)
        return signed, body if signed is certificate else signed.model_dump_json().encode()

    def _signed(self, certificate: Issued) -> Issued:
        signed_with = certificate.signature and certificate.signature.key_id
        if signed_with == (self.signing_key and self.signing_key.key_id):
            return certificate
        signature = self.signing_key and sign(certificate.model_dump(mode="json"), self.signing_key)
        return certificate.model_copy(update={"signature": signature})
