"""soundproof serve | settings: the service, and what it can be told by its environment."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from soundproof.access import settings_with
from soundproof.importing import collection_postponed
from soundproof.terminal import FAILED, complain, show

# What was answered last has so long to reach its clients, once it has been drained.
LAST_ANSWERS_S = 3


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
    given = _given(options)
    with collection_postponed():
        import uvicorn  # noqa: PLC0415  (the base install has no server)

        from soundproof import logs  # noqa: PLC0415
        from soundproof.api.app import create_app  # noqa: PLC0415
        from soundproof.api.connection import connections  # noqa: PLC0415
        from soundproof.api.server import Server  # noqa: PLC0415

    logs.configure(logs.Style(given.log_format, given.log_level))
    application = create_app(given, reload_on_hangup=True)
    config = uvicorn.Config(
        application,
        host=given.host,
        port=given.port,
        http=connections(given.unread_s),
        loop="asyncio",  # not uvloop where that happens to be installed: connections set what asyncio's transports have
        log_config=None,
        access_log=False,  # one line per request comes from api/observe.py
        server_header=False,  # what it is made of is nobody's business
        timeout_graceful_shutdown=LAST_ANSWERS_S,
    )
    server = Server(config, application.state.draining)
    with contextlib.suppress(KeyboardInterrupt):  # raised again at its end, once it has been heeded
        server.run()
    if not server.started:
        raise typer.Exit(FAILED)


def settings() -> None:
    """Print every setting with its default, range, unit and meaning, as Markdown."""
    from soundproof.configuration.variable import markdown  # noqa: PLC0415  (the base install has no settings)

    typer.echo(markdown(), nl=False)


def _given(options: dict[str, Any]) -> Any:
    """The settings to serve with. Raises SettingsRefused, also for an address that nobody has opened knowingly."""
    from soundproof.configuration.binding import check_binding  # noqa: PLC0415  (as above)

    given = settings_with(**options)
    check_binding(given)
    return given


def _check(options: dict[str, Any]) -> None:
    from soundproof.configuration.effective import effective  # noqa: PLC0415  (as above)
    from soundproof.preflight import preflight  # noqa: PLC0415

    given = _given(options)
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
