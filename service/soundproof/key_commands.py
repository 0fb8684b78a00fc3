"""soundproof keys new | show: the keys that certificates are signed with. A private key goes into its file only."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from soundproof.terminal import USAGE, complain

# Bytes of a secret for HMAC-SHA256: as many as its digest has.
_SECRET_BYTES = 32

app = typer.Typer(help="Make a signing key, or show what checks its signatures.", no_args_is_help=True)


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; a file that is not there yet.")],
    hmac: Annotated[bool, typer.Option("--hmac", help="A shared secret instead of an Ed25519 pair.")] = False,
) -> None:
    """Make a key: the private one into FILE, which only you can read, the public one onto standard output.

    Sign with it: SOUNDPROOF_SIGNING_KEY_FILE=FILE soundproof serve.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  (takes its time)

    from soundproof import signing  # noqa: PLC0415

    try:
        if hmac:
            text = secrets.token_hex(_SECRET_BYTES)
            signing.write_private(file, f"{text}\n".encode())
            _show(signing.signing_key(text))
        else:
            key = signing.PrivateKey(Ed25519PrivateKey.generate())
            signing.write_private(file, key.pem)
            _show(key)
    except OSError as error:
        complain(f"{file} cannot be made: {error.strerror}.")
        raise typer.Exit(USAGE) from None


@app.command()
def show(file: Annotated[Path, typer.Argument(help="A private key, or a public one.")]) -> None:
    """Show a key's algorithm, its id and its public half; nothing of a private key."""
    from soundproof import signing  # noqa: PLC0415

    try:
        public = "PUBLIC KEY" in signing.read_text(file)
        _show(signing.read_public_key(file) if public else signing.read_signing_key(file))
    except ValueError as error:
        complain(f"{error}")
        raise typer.Exit(USAGE) from None


def _show(key: object) -> None:
    """The public key is all that standard output gets, so that it can be sent to a file; the rest is for people."""
    from soundproof import signing  # noqa: PLC0415

    assert isinstance(key, signing.PrivateKey | signing.PublicKey | signing.Secret)  # noqa: S101
    typer.echo(f"{key.algorithm} key {key.key_id}", err=True)
    match key.public if not isinstance(key, signing.PublicKey) else key:
        case signing.PublicKey() as public:
            typer.echo(public.pem, nl=False)
        case _:
            typer.echo("A shared secret has no public half: whoever checks with it can sign with it.", err=True)
