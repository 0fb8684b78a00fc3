"""soundproof certify and soundproof sweep: files in, a table or JSON out."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from soundproof.access import ACCESS_CODES, Url, client_of
from soundproof.certificate import AbstainedCertificate, CertifiedCertificate
from soundproof.client.async_client import AsyncClient
from soundproof.client.problem import ProblemError
from soundproof.client.table import CertificateTable
from soundproof.terminal import FAILED, NOT_CERTIFIED, OK, REFUSED, USAGE, Json, complain, errors, show

# 499 and 5xx are the service's trouble, every other error is the file's or the request's.
_FIRST_SERVICE_STATUS = 499
_BUSY = 429
# What is wrong with the options, whatever the file.
_USAGE_CODES = {"invalid_request", "invalid_plan", "impossible_plan", "unknown_label", "unknown_model"}
_USAGE_CODES |= ACCESS_CODES

Files = Annotated[list[Path], typer.Argument(help="WAV files, or of a format that the service is set to read.")]
Model = Annotated[str | None, typer.Option(help="A name from `soundproof models`.")]
N0 = Annotated[int | None, typer.Option(help="Selection votes; default 100.")]
N = Annotated[int | None, typer.Option(help="Estimation votes; default 10000.")]
Alpha = Annotated[float | None, typer.Option(help="Failure probability of each certificate; default 0.001.")]
Bound = Annotated[str | None, typer.Option(help="clopper_pearson or multiclass.")]
TargetSnr = Annotated[
    float | None, typer.Option(help="Ask only whether the answer holds down to this SNR; takes far fewer votes.")
]
Noise = Annotated[str | None, typer.Option(help="float, or lattice: the theorem then holds of what is computed.")]
Precision = Annotated[str | None, typer.Option(help="float32, or bfloat16: quicker.")]
Label = Annotated[str | None, typer.Option(help="The true class of every file.")]
Seed = Annotated[int | None, typer.Option(help="Repeat a run; marks the certificate seed_source: caller.")]

# (what to add to the file's name, certificate), one for each row of the table.
Found = list[tuple[str, CertifiedCertificate | AbstainedCertificate]]


def certify(  # noqa: PLR0913  (one parameter per option)
    files: Files,
    url: Url = None,
    as_json: Json = False,
    model: Model = None,
    contract: Annotated[str | None, typer.Option(help="waveform, feature or post_processed.")] = None,
    transform: Annotated[str | None, typer.Option(help="fixed, rms, clip, peak or peak_clean.")] = None,
    sigma: Annotated[float | None, typer.Option(help="Noise: amplitude after the gain, or nats for feature.")] = None,
    n0: N0 = None,
    n: N = None,
    alpha: Alpha = None,
    bound: Bound = None,
    target_snr_db: TargetSnr = None,
    noise: Noise = None,
    precision: Precision = None,
    label: Label = None,
    seed: Seed = None,
) -> None:
    """Certify WAV files and print what holds. About 15 s a file on two CPU cores; --n 1000 is ten times quicker.

    Exit codes: 0 all certified, 1 some not (or wrong), 2 options, 3 files refused, 4 service.
    """
    fields = {
        "model": model,
        "contract": contract,
        "transform": transform,
        "sigma": sigma,
        "n0": n0,
        "n": n,
        "alpha": alpha,
        "bound": bound,
        "target_snr_db": target_snr_db,
        "noise": noise,
        "precision": precision,
        "label": label,
        "seed": seed,
    }

    async def ask(client: AsyncClient, file: Path) -> Found:
        certificate = await client.certify(file, **fields)
        if as_json:
            print(json.dumps({"file": str(file), "certificate": certificate.model_dump(mode="json")}))
        return [("", certificate)]

    raise typer.Exit(asyncio.run(_each(files, url, as_json, ask)))


def sweep(  # noqa: PLR0913
    files: Files,
    settings: Annotated[
        str,
        typer.Option(help="Contracts with their sigmas, such as waveform:0.0025,feature,clip:0.0025"),
    ],
    url: Url = None,
    as_json: Json = False,
    confidence: Annotated[str | None, typer.Option(help="What alpha is for: each, the default, or all.")] = None,
    model: Model = None,
    n0: N0 = None,
    n: N = None,
    alpha: Alpha = None,
    bound: Bound = None,
    target_snr_db: TargetSnr = None,
    noise: Noise = None,
    precision: Precision = None,
    label: Label = None,
    seed: Seed = None,
) -> None:
    """Certify WAV files under several contracts or sigmas: how much does the certificate depend on what is certified?

    Exit codes: 0 all certified, 1 some not (or wrong), 2 options, 3 files refused, 4 service.
    """
    fields = {
        "confidence": confidence,
        "model": model,
        "n0": n0,
        "n": n,
        "alpha": alpha,
        "bound": bound,
        "target_snr_db": target_snr_db,
        "noise": noise,
        "precision": precision,
        "label": label,
        "seed": seed,
    }

    async def ask(client: AsyncClient, file: Path) -> Found:
        found = await client.sweep(file, settings, **fields)
        if as_json:
            print(json.dumps({"file": str(file), "sweep": found.model_dump(mode="json")}))
        else:
            errors.print(f"{file.name}: {found.statement}", highlight=False)
        names = (name.strip() for name in settings.split(","))
        return [(f" {name}", certificate) for name, certificate in zip(names, found.certificates, strict=True)]

    raise typer.Exit(asyncio.run(_each(files, url, as_json, ask)))


async def _each(
    files: list[Path], url: str | None, as_json: bool, ask: Callable[[AsyncClient, Path], Awaitable[Found]]
) -> int:
    """Ask it of every file; the exit code."""
    worst = OK
    table = CertificateTable()
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
        transient=True,
    )
    try:
        async with client_of(url) as client:
            with progress:
                task = progress.add_task("certifying", total=len(files))
                for file in files:
                    progress.update(task, description=file.name)
                    try:
                        found = await ask(client, file)
                    except (OSError, ProblemError) as error:
                        worst = max(worst, _fault(file, error, as_json))
                        table.refuse(file.name, error.code if isinstance(error, ProblemError) else "unreadable_file")
                    else:
                        for suffix, certificate in found:
                            good = certificate.outcome == "certified" and certificate.correct is not False
                            worst = max(worst, OK if good else NOT_CERTIFIED)
                            table.add(file.name + suffix, certificate)
                    progress.advance(task)
    except httpx.HTTPError as error:
        complain(f"{url or 'the service'} cannot be reached: {error}")
        return FAILED
    if not as_json:
        show(table.render())
    return worst


def _fault(file: Path, error: OSError | ProblemError, as_json: bool) -> int:
    """Say what was wrong with a file; the exit code it calls for."""
    code, status = (error.code, error.status) if isinstance(error, ProblemError) else ("unreadable_file", 0)
    if as_json:
        print(json.dumps({"file": str(file), "problem": {"code": code, "detail": str(error)}}))
    complain(f"{file}: {code}: {error}")
    if status >= _FIRST_SERVICE_STATUS or status == _BUSY:
        return FAILED
    return USAGE if code in _USAGE_CODES else REFUSED
