"""soundproof serve | settings: the service, and what it can be told by its environment."""

import os
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from soundproof.access import settings_with
from soundproof.terminal import FAILED, complain, show


def serve(
    host: Annotated[str | None, typer.Option(help="SOUNDPROOF_HOST")] = None,
    port: Annotated[int | None, typer.Option(help="SOUNDPROOF_PORT")] = None,
    models: Annotated[Path | None, typer.Option(help="SOUNDPROOF_MODELS")] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Only show the settings, without secrets, and what would keep it from starting."),
    ] = False,
) -> None:
    """Serve HTTP. Every setting is an environment variable: docs/configuration.md. SIGHUP reads the models again.

    Exit codes: 64 a setting is wrong; 4 there is no model to serve or no store, or the service failed.
    """
    options = {
        name: value for name, value in {"host": host, "port": port, "models": models}.items() if value is not None
    }
    if check:
        _check(options)
        return
    # Until the service listens to it: by default a SIGHUP that comes too early ends the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    given = settings_with(**options)
    import uvicorn  # noqa: PLC0415  (the base install has no server)

    from soundproof.api.app import configure_logging, create_app  # noqa: PLC0415
    from soundproof.api.connection import Connection  # noqa: PLC0415

    configure_logging(given.log_level)
    application = create_app(given, reload_on_hangup=True)
    uvicorn.run(
        application,
        host=given.host,
        port=given.port,
        http=Connection,
        loop="asyncio",  # not uvloop where that happens to be installed: Connection sets what asyncio's transports have
        log_config=None,
        access_log=False,  # one line per request comes from api/observe.py
        timeout_graceful_shutdown=10,
    )


def settings() -> None:
    """Print every setting with its default, range, unit and meaning, as Markdown."""
    from soundproof.configuration.variable import markdown  # noqa: PLC0415  (the base install has no settings)

    typer.echo(markdown(), nl=False)


def _check(options: dict[str, Any]) -> None:
    from soundproof.configuration.effective import effective  # noqa: PLC0415  (as above)
    from soundproof.preflight import preflight  # noqa: PLC0415

    given = settings_with(**options)
    table = Table("variable", "value", "from")
    for each in effective(given, options, os.environ):
        table.add_row(each.name, each.value, each.source)
    show(table)
    findings = preflight(given)
    table = Table("checked", "")
    for finding in findings:
        table.add_row(finding.what, finding.told or "FAULT, see below")
    show(table)
    faults = [f"{finding.what}: {finding.fault}" for finding in findings if finding.fault]
    for fault in faults:
        complain(fault)
    if faults:
        raise typer.Exit(FAILED)
