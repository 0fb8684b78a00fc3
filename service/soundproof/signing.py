"""Keys and signatures of certificates: Ed25519, or HMAC-SHA256 with a shared secret. In the base install.

An Ed25519 key is a PEM file (PKCS #8; its public half SubjectPublicKeyInfo), an HMAC secret any other text of at least
32 characters. Which of the two a key is decides the algorithm, never the document that is checked: a public key is
never taken for a secret. No message and no repr has anything of a private key in it.
"""

import hashlib
import hmac
import logging
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from soundproof.certificate import Signature, signed_bytes

log = logging.getLogger("soundproof.signing")

SHORTEST_SECRET = 32
MOST_KEY_BYTES = 16 << 10
_KEY_ID_DIGITS = 16
_PEM = "-----BEGIN "


@dataclass(frozen=True)
class PublicKey:
    """Checks what the private key of its pair has signed."""

    key: Ed25519PublicKey
    algorithm: Literal["ed25519"] = "ed25519"

    @property
    def key_id(self) -> str:
        """Of the SHA-256 of the 32 bytes of the public key, the first 16 digits."""
        return hashlib.sha256(self.key.public_bytes_raw()).hexdigest()[:_KEY_ID_DIGITS]

    @property
    def pem(self) -> str:
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_bytes(serialization.Encoding.PEM, kind).decode()

    def verifies(self, message: bytes, value: str) -> bool:
        try:
            self.key.verify(bytes.fromhex(value), message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    key: Ed25519PrivateKey = field(repr=False)
    algorithm: Literal["ed25519"] = "ed25519"

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.key.public_key())

    @property
    def key_id(self) -> str:
        return self.public.key_id

    @property
    def pem(self) -> bytes:
        """The key itself: for its own file and for nothing else."""
        kind = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())

    def signature(self, message: bytes) -> str:
        return self.key.sign(message).hex()


@dataclass(frozen=True)
class Secret:
    """Whoever can check with it can sign with it."""

    key: bytes = field(repr=False)
    algorithm: Literal["hmac-sha256"] = "hmac-sha256"

    @property
    def public(self) -> "Secret":
        """What checks its signatures: itself."""
        return self

    @property
    def key_id(self) -> str:
        """A keyed hash: it tells keys apart and, of a key that cannot be guessed, nothing else."""
        return hmac.digest(self.key, b"soundproof key id", "sha256").hex()[:_KEY_ID_DIGITS]

    def signature(self, message: bytes) -> str:
        return hmac.digest(self.key, message, "sha256").hex()

    def verifies(self, message: bytes, value: str) -> bool:
        return hmac.compare_digest(self.signature(message), value)


SigningKey = PrivateKey | Secret
CheckingKey = PublicKey | Secret


def sign(document: Mapping[str, Any], key: SigningKey) -> Signature:
    """The signature of a certificate given as JSON, whatever signature it has already."""
    return Signature(algorithm=key.algorithm, key_id=key.key_id, value=key.signature(signed_bytes(document)))


def is_signed(document: Mapping[str, Any], signature: Signature, keys: Sequence[CheckingKey]) -> bool | None:
    """Whether one of `keys` made the signature over the document; None where the key that it names is not there."""
    named = [key for key in keys if (key.key_id, key.algorithm) == (signature.key_id, signature.algorithm)]
    return any(key.verifies(signed_bytes(document), signature.value) for key in named) if named else None


def signing_key(text: str) -> SigningKey:
    """A key from its text. ValueError says what is wrong, and nothing of the key."""
    text = text.strip()
    if not text.startswith(_PEM):
        if len(text) < SHORTEST_SECRET:
            raise ValueError(f"a signing secret has {len(text)} characters; it needs at least {SHORTEST_SECRET}")
        return Secret(text.encode())
    if text.startswith(f"{_PEM}PUBLIC KEY"):
        raise ValueError("this is a public key: it checks signatures and makes none")
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        raise ValueError("the signing key is no PEM file of an unencrypted private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the signing key is not an Ed25519 key")  # noqa: TRY004  (the text is wrong, not a type)
    return PrivateKey(key)


def public_key(text: str) -> PublicKey:
    """An Ed25519 public key from its PEM. ValueError says what is wrong."""
    if "PRIVATE KEY" in text:
        raise ValueError("this is a private key: give its public half (soundproof keys show)")
    try:
        key = serialization.load_pem_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is no PEM file of a public key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("this is not an Ed25519 key")  # noqa: TRY004
    return PublicKey(key)


def read_signing_key(path: Path) -> SigningKey:
    """ValueError names the file and what is wrong. A file that others can read is told of in the log."""
    text = read_text(path)
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning("the signing key in %s can be read by others than its owner: chmod 600", path)
    try:
        return signing_key(text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def read_public_key(path: Path) -> PublicKey:
    """ValueError names the file and what is wrong."""
    try:
        return public_key(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None


def read_secret(path: Path) -> Secret:
    """The secret of HMAC signatures. ValueError names the file and what is wrong."""
    key = read_signing_key(path)
    if not isinstance(key, Secret):
        raise ValueError(f"{path}: this is a private key, not a shared secret")  # noqa: TRY004
    return key


def write_private(path: Path, content: bytes) -> None:
    """A new file that only its owner may read, from its first moment on. FileExistsError where there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the umask is
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_text(path: Path) -> str:
    """A key's file. ValueError where it cannot be read or is no text of a key's size."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_KEY_BYTES + 1)
        if len(content) > MOST_KEY_BYTES:
            raise ValueError(f"{path} is larger than any key ({MOST_KEY_BYTES} bytes)")
        return content.decode()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text") from None
