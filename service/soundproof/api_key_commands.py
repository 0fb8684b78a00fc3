"""soundproof api-keys new: the keys that requests are sent with. `soundproof keys` makes those that certificates are
signed with."""

import re
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from soundproof.api_keys import ApiKey, Budget, Scope, new_secret, read_api_keys, sha256_of
from soundproof.terminal import USAGE, complain, errors

app = typer.Typer(help="Make keys for those who use the service.", no_args_is_help=True)


@app.callback()
def _api_keys() -> None:
    """Or `new`, the only command, would be no command but the group itself."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Who holds it, for logs and metrics: ci, anna, prometheus.")],
    scope: Annotated[list[Scope], typer.Option(help="What it is for; may be given several times.")],
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="COST/SECONDS",
            help="Noise samples x clip samples that it may spend at once, and in how long they come back. A "
            "certificate of n 10,000 of one second at 16 kHz is 1.6e8: 1e12/86400 is about 6,000 a day.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Append the entry here: what SOUNDPROOF_API_KEYS names. Else it is printed.")
    ] = None,
) -> None:
    """Make a key and print it, once: it is kept nowhere. Its entry has only its SHA-256.

    A running service takes it up on SIGHUP.
    """
    secret = new_secret()
    try:
        entry = ApiKey(name=name, sha256=sha256_of(secret), scopes=frozenset(scope), budget=_budget(budget))
        if file is None:
            errors.print(entry.toml, end="", markup=False, highlight=False, soft_wrap=True)
        else:
            _append(file, entry)
    except ValidationError as error:
        [fault, *_] = error.errors()
        complain(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}")
        raise typer.Exit(USAGE) from None
    except (ValueError, OSError) as error:
        complain(f"{error}")
        raise typer.Exit(USAGE) from None
    typer.echo(secret)


def _budget(given: str | None) -> Budget | None:
    if given is None:
        return None
    if not (match := re.fullmatch(r"([0-9.eE+]+)/([0-9.eE+]+)", given)):
        raise ValueError(f"--budget is {given!r}; it takes COST/SECONDS, such as 1e12/86400")
    return Budget(cost=float(match[1]), refill_s=float(match[2]))


def _append(file: Path, entry: ApiKey) -> None:
    """To a file that is right with it, or that is not there yet."""
    known = read_api_keys(file) if file.exists() and file.stat().st_size else ()
    if any(key.name == entry.name for key in known):
        raise ValueError(f"{file} has a key {entry.name!r} already; take its entry out first, or choose another name")
    with file.open("a", encoding="utf-8") as sink:
        sink.write(("\n" if known else "") + entry.toml)
