"""Keys: what is one, and that a private one goes nowhere but into its file."""

import logging
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from pydantic import ValidationError

from soundproof.settings import Settings
from soundproof.signing import (
    PrivateKey,
    Secret,
    public_key,
    read_public_key,
    read_signing_key,
    signing_key,
    write_private,
)

PAIR = PrivateKey(ed25519.Ed25519PrivateKey.generate())
SECRET = "hush" * 10


def pem_of(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, password: bytes | None = None) -> str:
    way = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way).decode()


def test_a_key_is_told_by_its_text() -> None:
    assert isinstance(signing_key(PAIR.pem.decode()), PrivateKey)
    assert isinstance(signing_key(SECRET), Secret)
    assert signing_key(PAIR.pem.decode()).key_id == PAIR.key_id == public_key(PAIR.public.pem).key_id
    assert signing_key(f"{SECRET}\n") == signing_key(SECRET)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hush", "at least 32"),
        ("", "at least 32"),
        (PAIR.public.pem, "public key"),
        ("-----BEGIN PRIVATE KEY-----\nhushhush\n-----END PRIVATE KEY-----", "no PEM file"),
        (pem_of(PAIR.key, b"password"), "unencrypted"),
        (pem_of(rsa.generate_private_key(65537, 2048)), "not an Ed25519 key"),
    ],
    ids=["short", "empty", "public", "broken", "encrypted", "RSA"],
)
def test_what_is_no_signing_key_is_refused_without_showing_it(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        signing_key(text)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("text", [PAIR.pem.decode(), SECRET, ""], ids=["private", "secret", "empty"])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"private key|no PEM"):
        public_key(text)


def test_keys_do_not_show_in_their_repr() -> None:
    assert "hush" not in repr(signing_key(SECRET))
    assert "Ed25519" not in repr(PAIR)


def test_a_private_file_is_its_owners_alone_and_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_private(file, PAIR.pem)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_private(file, b"other")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "link", b"other")
    assert file.read_bytes() == PAIR.pem


def test_a_file_that_others_can_read_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    file.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert read_signing_key(file) == signing_key(SECRET)
    assert "chmod 600" in caplog.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize("content", [b"\xff", b"x" * 20_000])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    for reader in (read_signing_key, read_public_key):
        with pytest.raises(ValueError, match=str(file)):
            reader(file)
    with pytest.raises(ValueError, match="cannot be read"):
        read_public_key(tmp_path / "missing")


def test_the_service_takes_its_key_from_a_setting_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOUNDPROOF_SIGNING_KEY_FILE", "")
    assert Settings().signer() is None
    monkeypatch.setenv("SOUNDPROOF_SIGNING_KEY", SECRET)
    signer = Settings().signer()
    assert signer is not None
    assert signer.algorithm == "hmac-sha256"
    assert "hush" not in repr(Settings())
    write_private(tmp_path / "key", PAIR.pem)
    monkeypatch.setenv("SOUNDPROOF_SIGNING_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ValidationError, match="both set") as refused:
        Settings()
    assert "hush" not in str(refused.value)
    monkeypatch.delenv("SOUNDPROOF_SIGNING_KEY")
    signer = Settings().signer()
    assert signer is not None
    assert signer.key_id == PAIR.key_id


def test_a_signing_key_that_is_none_stops_the_service_without_printing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDPROOF_SIGNING_KEY", "hush")
    with pytest.raises(ValidationError, match="at least 32") as refused:
        Settings()
    assert "hush" not in str(refused.value)
