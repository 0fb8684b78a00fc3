"""The command line: soundproof serve | certify | models | openapi.

Exit codes of `certify`: 0 every clip certified (and right, where a label was given); 1 some clip abstained or was
answered wrongly; 2 an option is wrong; 3 some file was refused; 4 the service failed, is full, or cannot be reached.
"""

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from soundproof import __version__, model_commands
from soundproof.access import Url, client_of, settings_with
from soundproof.client.client import ProblemError
from soundproof.client.table import CertificateTable
from soundproof.errors import SoundproofError
from soundproof.terminal import FAILED, NOT_CERTIFIED, OK, REFUSED, USAGE, Json, complain, errors, show

# 499 and 5xx are the service's trouble, every other error is the file's or the request's.
_FIRST_SERVICE_STATUS = 499
_BUSY = 429
# What is wrong with the options, whatever the file.
_USAGE_CODES = {"invalid_request", "invalid_plan", "impossible_plan", "unknown_label", "unknown_model"}

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(model_commands.app, name="models")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="SOUNDPROOF_HOST")] = None,
    port: Annotated[int | None, typer.Option(help="SOUNDPROOF_PORT")] = None,
    models: Annotated[Path | None, typer.Option(help="SOUNDPROOF_MODELS")] = None,
) -> None:
    """Serve HTTP. Every setting is an environment variable; docs/api.md lists them. SIGHUP reads the models again."""
    # Until the service listens to it: by default a SIGHUP that comes too early ends the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    import uvicorn  # noqa: PLC0415  (the base install has no server)

    from soundproof.api.app import configure_logging, create_app  # noqa: PLC0415
    from soundproof.api.connection import Connection  # noqa: PLC0415

    settings = settings_with(host=host, port=port, models=models)
    configure_logging(settings.log_level)
    application = create_app(settings, reload_on_hangup=True)
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        http=Connection,
        loop="asyncio",  # not uvloop where that happens to be installed: Connection sets what asyncio's transports have
        log_config=None,
        access_log=False,  # one line per request comes from api/observe.py
        timeout_graceful_shutdown=10,
    )


@app.command()
def certify(  # noqa: PLR0913  (one parameter per option)
    files: Annotated[list[Path], typer.Argument(help="WAV files.")],
    url: Url = None,
    as_json: Json = False,
    model: Annotated[str | None, typer.Option(help="A name from `soundproof models`.")] = None,
    contract: Annotated[str | None, typer.Option(help="waveform, feature or post_processed.")] = None,
    transform: Annotated[str | None, typer.Option(help="fixed, rms, clip, peak or peak_clean.")] = None,
    sigma: Annotated[float | None, typer.Option(help="Noise: amplitude after the gain, or nats for feature.")] = None,
    n0: Annotated[int | None, typer.Option(help="Selection votes; default 100.")] = None,
    n: Annotated[int | None, typer.Option(help="Estimation votes; default 10000.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Failure probability of each certificate; default 0.001.")] = None,
    bound: Annotated[str | None, typer.Option(help="clopper_pearson or multiclass.")] = None,
    label: Annotated[str | None, typer.Option(help="The true class of every file.")] = None,
    seed: Annotated[int | None, typer.Option(help="Repeat a run; marks the certificate seed_source: caller.")] = None,
) -> None:
    """Certify WAV files and print what holds. About 20 s a file on two CPU cores; --n 1000 is ten times quicker.

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
        "label": label,
        "seed": seed,
    }
    raise typer.Exit(asyncio.run(_certify(files, url, as_json, fields)))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from soundproof.api.app import create_app  # noqa: PLC0415

    print(json.dumps(create_app(settings_with()).openapi(), indent=2, ensure_ascii=False))


def _version(shown: bool) -> None:
    if shown:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass


async def _certify(files: list[Path], url: str | None, as_json: bool, fields: dict[str, Any]) -> int:
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
                        certificate = await client.certify(file, **fields)
                    except (OSError, ProblemError) as error:
                        worst = max(worst, _fault(file, error, as_json))
                        table.refuse(file.name, error.code if isinstance(error, ProblemError) else "unreadable_file")
                    else:
                        good = certificate.outcome == "certified" and certificate.correct is not False
                        worst = max(worst, OK if good else NOT_CERTIFIED)
                        if as_json:
                            print(json.dumps({"file": str(file), "certificate": certificate.model_dump(mode="json")}))
                        table.add(file.name, certificate)
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


def main() -> None:
    """The entry point: what this package raises on purpose becomes one line and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except (SoundproofError, ValidationError) as error:
        complain(f"{error}")
        sys.exit(FAILED)
    except ModuleNotFoundError as error:
        complain(f"This installation is the client only ({error}). Install soundproof[service], or give --url.")
        sys.exit(USAGE)
