"""What can be checked without a model: the document, its signature, the clip's bytes. No numpy, no torch."""

import hashlib
from collections.abc import Sequence

from soundproof.signing import CheckingKey, is_signed
from soundproof.verify.document import Document, UnreadableDocument, read
from soundproof.verify.report import NAMES, Check, Report


def verify_offline(certificate: bytes, audio: bytes, keys: Sequence[CheckingKey] = ()) -> Report:
    """Both files as they are. Everything that needs a model is skipped."""
    try:
        document = read(certificate)
    except UnreadableDocument as error:
        return unreadable(error)
    checks = [document.check(), check_signature(document, keys), check_bytes(document, audio)]
    offline = NAMES[len(checks) :]
    checks += [Check.of(name, "skipped", "It takes the model and a worker, or a service (--url).") for name in offline]
    return report(document, checks)


def report(document: Document, checks: Sequence[Check]) -> Report:
    return Report.of(checks, document.certificate.certificate_id, document.certificate.statement)


def unreadable(error: UnreadableDocument) -> Report:
    return Report.of([Check.of("document", "failed", f"{error}")], None, None)


def check_signature(document: Document, keys: Sequence[CheckingKey]) -> Check:
    """With a key at hand a document without a signature fails: to leave it out must not be the way around it."""
    signature = document.certificate.signature
    known = " or ".join(key.key_id for key in keys)
    if signature is None:
        if keys:
            return Check.of("signature", "failed", f"It is not signed; a signature by key {known} was expected.")
        return Check.of("signature", "skipped", "It is not signed, and no key was given: anybody can have written it.")
    named = f"{signature.algorithm} key {signature.key_id}"
    if not keys:
        return Check.of("signature", "skipped", f"It is signed by {named}, and no key was given to check that with.")
    match is_signed(document.content, signature, keys):
        case None:
            return Check.of("signature", "failed", f"It is signed by {named}; the key at hand is {known}.")
        case False:
            return Check.of("signature", "failed", f"The signature by {named} is not of this document, or not by it.")
        case True:
            return Check.of("signature", "passed", f"{named} has signed the whole document, created_at included.")


def check_bytes(document: Document, audio: bytes) -> Check:
    found, named = hashlib.sha256(audio).hexdigest(), document.certificate.audio.sha256
    if found != named:
        return Check.of("audio", "failed", f"The file's SHA-256 is {found}; the certificate is of {named[:64]}.")
    return Check.of("audio", "passed", "The file's bytes are those named; what is in them was not read.")
