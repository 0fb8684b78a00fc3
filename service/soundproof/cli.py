"""The command line: soundproof serve | settings | certify | sweep | gate | verify | keys | api-keys | models | openapi.

Exit codes of `certify`: 0 every clip certified (and right, where a label was given); 1 some clip abstained or was
answered wrongly; 2 an option is wrong; 3 some file was refused; 4 the service failed, is full, or cannot be reached.
64, of every command: a setting (an environment variable) is wrong.
"""

import json
import logging
import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from soundproof import (
    __version__,
    api_key_commands,
    certify_commands,
    gate_commands,
    key_commands,
    model_commands,
    serve_commands,
    verify_commands,
)
from soundproof.access import settings_with
from soundproof.configuration.faults import SettingsRefused
from soundproof.errors import SoundproofError
from soundproof.terminal import FAILED, MISCONFIGURED, USAGE, complain

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(model_commands.app, name="models")
app.add_typer(key_commands.app, name="keys")
app.add_typer(api_key_commands.app, name="api-keys")
app.command()(serve_commands.serve)
app.command()(serve_commands.settings)
app.command()(certify_commands.certify)
app.command()(certify_commands.sweep)
app.command(cls=gate_commands.GateCommand)(gate_commands.gate)

app.command()(verify_commands.verify)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    settings = settings_with(store="", api_keys="")
    from soundproof.api.app import create_app  # noqa: PLC0415

    print(json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False))


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
    except SettingsRefused as error:
        for fault in error.faults:
            complain(fault)
        sys.exit(MISCONFIGURED)
    except (SoundproofError, ValidationError) as error:
        complain(f"{error}")
        sys.exit(FAILED)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("soundproof"):
            raise
        complain(f"This installation is the client only ({error}). Install soundproof[service], or give --url.")
        sys.exit(USAGE)
