"""What the base install checks without a model: the document, its signature, the clip's bytes."""

import hashlib
import subprocess
import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.verify.certificates import CLIP, altered, as_bytes, made

from soundproof.signing import PrivateKey, Secret, SigningKey, sign, signing_key
from soundproof.verify.offline import verify_offline

SECRET = signing_key("s" * 40)
PAIR = PrivateKey(Ed25519PrivateKey.generate())
GOOD = altered(made(), {"audio.sha256": hashlib.sha256(CLIP).hexdigest()})


def signed(key: SigningKey, found: dict[str, Any] = GOOD) -> dict[str, Any]:
    return found | {"signature": sign(found, key).model_dump()}


def results(found: dict[str, Any], *keys: Any, clip: bytes = CLIP) -> dict[str, str]:
    report = verify_offline(as_bytes(found), clip, keys)
    return {check.name: check.result for check in report.checks} | {"result": report.result}


def test_an_unsigned_certificate_shows_nothing_by_itself() -> None:
    found = results(GOOD)
    assert [found[name] for name in ("document", "signature", "audio", "result")] == [
        "passed",
        "skipped",
        "passed",
        "inconclusive",
    ]


def test_a_signature_of_either_kind_passes() -> None:
    assert results(signed(SECRET), SECRET)["result"] == "passed"
    assert results(signed(PAIR), PAIR.public)["result"] == "passed"
    assert results(signed(PAIR), SECRET, PAIR.public)["result"] == "passed"


def test_a_tampered_created_at_is_caught_by_the_signature() -> None:
    """It has no part in the certificate_id."""
    found = results(signed(PAIR) | {"created_at": "2020-01-01T00:00:00Z"}, PAIR.public)
    assert (found["document"], found["signature"], found["result"]) == ("passed", "failed", "failed")


def test_a_tampered_device_is_caught_by_the_signature() -> None:
    changed = altered(signed(SECRET), {"compute.device": "abacus"})
    assert results(changed, SECRET)["signature"] == "failed"


def test_a_tampered_signature_is_caught_by_the_signature() -> None:
    value = signed(PAIR)["signature"]["value"]
    for other in ("0" * 128, value[:-1] + ("0" if value[-1] != "0" else "1"), "0" * 64):
        assert results(altered(signed(PAIR), {"signature.value": other}), PAIR.public)["signature"] == "failed"


def test_content_that_was_addressed_anew_is_caught_by_the_signature() -> None:
    forged = altered(signed(SECRET), {"radius": 1.0})
    found = results(forged, SECRET)
    assert (found["document"], found["signature"]) == ("passed", "failed")


def test_with_a_key_at_hand_a_certificate_whose_signature_was_left_out_fails() -> None:
    assert results(GOOD, PAIR.public)["signature"] == "failed"


def test_another_key_is_no_proof() -> None:
    other = PrivateKey(Ed25519PrivateKey.generate())
    assert results(signed(other), PAIR.public)["signature"] == "failed"
    posing = altered(signed(other), {"signature.key_id": PAIR.key_id})
    assert results(posing, PAIR.public)["signature"] == "failed"


def test_a_public_key_is_never_taken_for_a_secret() -> None:
    """Whoever has the public key could otherwise sign with it."""
    forged = signed(Secret(PAIR.public.pem.encode()))
    assert results(altered(forged, {"signature.key_id": PAIR.key_id}), PAIR.public)["signature"] == "failed"


def test_without_a_key_a_signature_is_not_believed() -> None:
    assert results(signed(PAIR))["signature"] == "skipped"


def test_another_clip_is_caught_by_the_audio() -> None:
    assert results(GOOD, clip=CLIP + b"!")["audio"] == "failed"


def test_what_is_no_certificate_fails_and_the_rest_is_skipped() -> None:
    report = verify_offline(b"{}", CLIP)
    assert report.result == "failed"
    assert {check.result for check in report.checks[1:]} == {"skipped"}


def test_the_base_install_is_enough() -> None:
    code = (
        "import sys, soundproof.verify.offline, soundproof.verify_commands, soundproof.key_commands; "
        "print([m for m in ('torch', 'numpy', 'scipy', 'fastapi', 'pydantic_settings') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
