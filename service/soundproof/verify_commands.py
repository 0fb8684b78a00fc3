"""soundproof verify: a certificate and its clip in, a report out."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from soundproof.access import ACCESS_CODES, Url, client_of
from soundproof.client.problem import ProblemError
from soundproof.terminal import FAILED, NOT_CERTIFIED, OK, REFUSED, USAGE, Json, complain, show
from soundproof.verify.report import Check, Report

if TYPE_CHECKING:
    from soundproof.signing import CheckingKey

# 499 and 5xx are the service's trouble.
_FIRST_SERVICE_STATUS = 499
_BUSY = 429


def verify(  # noqa: PLR0913  (one parameter per option)
    certificate: Annotated[Path, typer.Argument(help="The certificate, JSON.")],
    clip: Annotated[Path, typer.Argument(help="The WAV file that it is of.")],
    url: Url = None,
    as_json: Json = False,
    offline: Annotated[bool, typer.Option("--offline", help="Without a model: document, signature, bytes.")] = False,
    public_key: Annotated[list[Path] | None, typer.Option(help="PEM file of whoever may have signed it.")] = None,
    secret: Annotated[list[Path] | None, typer.Option(help="File with the secret of an HMAC signature.")] = None,
    rerun: Annotated[bool, typer.Option(help="Draw all votes again with the certificate's seed.")] = True,
    fresh_votes: Annotated[int, typer.Option(min=0, help="Votes with noise of another seed; 0: none.")] = 1000,
) -> None:
    """Check a certificate: is it authentic, does it follow from its counts, does drawing the votes again agree?

    Exit codes: 0 passed, 1 some check failed or nothing shows that the votes were drawn, 2 options, a file of the
    certificate or of a key, 3 the clip refused, 4 service.
    """
    from soundproof import signing  # noqa: PLC0415  (takes a tenth of a second, which no other command needs)
    from soundproof.verify.offline import verify_offline  # noqa: PLC0415

    try:
        document = _read(certificate, "certificate")
        keys: list[CheckingKey] = [signing.read_public_key(path) for path in public_key or ()]
        keys += [signing.read_secret(path) for path in secret or ()]
    except ValueError as error:
        raise _end(f"{error}", USAGE) from None
    try:
        audio = _read(clip, "clip")
    except ValueError as error:
        raise _end(f"{error}", REFUSED) from None
    report = verify_offline(document, audio, keys)
    if not offline and report.certificate_id is not None:
        fields = {"rerun": str(rerun).lower(), "fresh_votes": fresh_votes}
        report = _merged(report, asyncio.run(_asked(url, document, audio, fields)), signed=bool(keys))
    if as_json:
        print(report.model_dump_json())
    else:
        show(_table(report))
        print(report.summary)
    raise typer.Exit(OK if report.result == "passed" else NOT_CERTIFIED)


async def _asked(url: str | None, document: bytes, audio: bytes, fields: dict[str, object]) -> Report:
    try:
        async with client_of(url) as client:
            return await client.verify(document, audio, **fields)
    except ProblemError as error:
        complaint, code = f"{error.code}: {error}", REFUSED
        if error.status >= _FIRST_SERVICE_STATUS or error.status == _BUSY:
            code = FAILED
        elif error.code in {"invalid_request", "http_error"} | ACCESS_CODES:
            code = USAGE
        raise _end(complaint, code) from None
    except httpx.HTTPError as error:
        raise _end(f"{url or 'the service'} cannot be reached: {error}", FAILED) from None


def _merged(here: Report, there: Report, *, signed: bool) -> Report:
    """What was found here is believed before what a service says; `signed`: a key was given here."""
    own = {here.check(name) for name in ("document", *(("signature",) if signed else ()))}
    if here.check("audio").result == "failed":
        own.add(here.check("audio"))
    names = {check.name for check in own}
    checks: list[Check] = [*own, *(check for check in there.checks if check.name not in names)]
    return Report.of(checks, here.certificate_id, here.statement)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"The {what} {path} cannot be read: {error.strerror}.") from None


def _end(complaint: str, code: int) -> typer.Exit:
    complain(complaint)
    return typer.Exit(code)


def _table(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, caption=report.statement, caption_justify="left")
    for name in ("check", "result", "what was found"):
        table.add_column(name, overflow="fold", no_wrap=name != "what was found")
    for check in report.checks:
        table.add_row(check.name, check.result, check.detail)
    return table
