"""The reader of certificates that anybody may have written."""

import json
from typing import Any

from pydantic import TypeAdapter

from soundproof.certificate import AbstainedCertificate, Certificate, CertifiedCertificate, canonical_json
from soundproof.signing import PublicKey, Secret, public_key
from soundproof.verify.document import UnreadableDocument, read
from soundproof.verify.offline import verify_offline

WORDS = (
    b"null",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"\\ud800",
    b"\\u0000",
    b"-0.0",
    b"true",
    b"[]",
    b"{}",
    b"\xef\xbb\xbf",
    *tuple(b'"%s": ' % name.encode() for name in CertifiedCertificate.model_fields),
)
_CLIENTS: TypeAdapter[CertifiedCertificate | AbstainedCertificate] = TypeAdapter(Certificate)
MOST_REPORT_CHARACTERS = 20_000
# Anybody's: a public key whose private half nobody kept, and a secret that everybody has.
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----"""
SECRET = Secret(b"known to everybody, and long enough")


def check(data: bytes) -> None:
    """Any bytes are a certificate or told, in a sentence, to be none; either way there is a short, printable report.

    What is read is what every other reader of JSON finds there, and written down and read again it has its address.
    """
    keys: tuple[PublicKey | Secret, ...] = (public_key(PUBLIC_PEM), SECRET)
    report = verify_offline(data, data, keys).model_dump_json()
    assert report == verify_offline(data, data, keys).model_dump_json(), "another answer the second time"
    assert report.isprintable()
    assert len(report) < MOST_REPORT_CHARACTERS
    try:
        document = read(data)
    except UnreadableDocument as error:
        assert 0 < len(str(error)) < 1000  # noqa: PT017
        return
    plain = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant)
    assert {"signature": None} | plain == document.content
    assert _CLIENTS.validate_python(plain) == document.certificate, "the client reads something else"
    again = read(canonical_json(document.content))
    assert (again.content, again.address) == (document.content, document.address)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a name comes twice"
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
