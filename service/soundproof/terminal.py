"""What the commands share towards the terminal: exit codes, the errors' console, tables that fit."""

import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

OK, NOT_CERTIFIED, USAGE, REFUSED, FAILED = range(5)
MISCONFIGURED = 64  # EX_USAGE of sysexits.h: a service manager knows that starting it again is no use

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")]

# Wide enough for every column where the output is not a terminal's.
_FILE_WIDTH = 200

errors = Console(stderr=True)


def show(table: Table) -> None:
    shown = sys.stdout.isatty() or "COLUMNS" in os.environ
    Console(markup=False, width=None if shown else _FILE_WIDTH).print(table)


def complain(text: str) -> None:
    errors.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
