"""The command line: soundproof serve | certify | sweep | gate | verify | keys | models | openapi.

Exit codes of `certify`: 0 every clip certified (and right, where a label was given); 1 some clip abstained or was
answered wrongly; 2 an option is wrong; 3 some file was refused; 4 the service failed, is full, or cannot be reached.
"""

import json
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from soundproof import __version__, certify_commands, gate_commands, key_commands, model_commands, verify_commands
from soundproof.access import settings_with
from soundproof.errors import SoundproofError
from soundproof.terminal import FAILED, USAGE, complain

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(model_commands.app, name="models")
app.add_typer(key_commands.app, name="keys")
app.command()(certify_commands.certify)
app.command()(certify_commands.sweep)
app.command(cls=gate_commands.GateCommand)(gate_commands.gate)

app.command()(verify_commands.verify)


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
