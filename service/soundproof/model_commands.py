"""soundproof models [list] | add: what is served, and a model folder from somebody else's file."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pydantic import ValidationError
from rich.table import Table

from soundproof.access import Url, client_of
from soundproof.client.problem import ProblemError
from soundproof.errors import ModelRefused
from soundproof.terminal import FAILED, REFUSED, USAGE, Json, complain, errors, show
from soundproof.terms import Gain, GainPolicy

# smoothing/plan.py's, which the base install, without scipy, cannot import.
SIGMA_RANGE = (1e-6, 1e3)
# A manifest's fields as the options that set them.
OPTIONS = {
    "recommended_sigma.waveform": "--sigma",
    "recommended_sigma.feature": "--feature-sigma",
    "sample_rate_hz": "--rate",
    "clip_samples": "--samples",
    "name": "--name",
    "version": "--version",
    "classes": "--classes",
    "data_licence": "--data-licence",
    "licence": "--licence",
}

app = typer.Typer(help="List the models, or add one.", invoke_without_command=True)


@app.callback()
def _models(context: typer.Context, url: Url = None, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        list_models(url, as_json)


@app.command("list")
def list_models(url: Url = None, as_json: Json = False) -> None:
    """List the models: of a running service, or of the models folder."""
    try:
        listed = asyncio.run(_listed(url))
    except (ProblemError, httpx.HTTPError) as error:
        complain(f"{error}")
        raise typer.Exit(FAILED) from None
    if url is None:  # nothing runs: what is about to be loaded here is gone with the command
        for entry in listed["models"]:
            entry["state"] = "available" if entry["state"] == "loading" else entry["state"]
    if as_json:
        print(json.dumps(listed, ensure_ascii=False))
        return
    table = Table("model", "state", "classes", "rate Hz", "samples", "measured, positive radius")
    for entry in listed["models"]:
        manifest = entry["manifest"] or {}
        measured = (manifest.get("measured") or {}).get("positive_radius_accuracy", {})
        table.add_row(
            entry["name"] + (" (default)" if entry["name"] == listed["default"] else ""),
            entry["state"] + (f": {entry['reason']}" if entry.get("reason") else ""),
            str(len(manifest.get("classes", []))),
            str(manifest.get("sample_rate_hz", "")),
            str(manifest.get("clip_samples", "")),
            ", ".join(f"{100 * value:.1f} % at sigma {sigma}" for sigma, value in measured.items()),
        )
    show(table)


@app.command()
def add(  # noqa: PLR0913  (one parameter per option)
    folder: Annotated[Path, typer.Argument(help="The model folder to make, such as models/my-model.")],
    source: Annotated[Path, typer.Option("--from", help="An .onnx or .pt2 file, or a Hugging Face folder.")],
    rate: Annotated[int, typer.Option(help="Sample rate that the model expects, Hz.")],
    samples: Annotated[int, typer.Option(help="Length of its clips, samples.")],
    sigma: Annotated[
        float,
        typer.Option(
            min=SIGMA_RANGE[0], max=SIGMA_RANGE[1], help="Default noise on the waveform: amplitude after the gain."
        ),
    ],
    gain: Annotated[GainPolicy, typer.Option(help="How a clip is levelled before the model.")],
    target: Annotated[
        float | None, typer.Option(help="RMS or peak to level to; 1 unless told. None with none.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names, in order: a,b,c or a file, one a line; Hugging Face: id2label.")
    ] = None,
    feature_sigma: Annotated[
        float | None,
        typer.Option(min=SIGMA_RANGE[0], max=SIGMA_RANGE[1], help="Default noise on features; sigma unless told."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The folder's name unless told.")] = None,
    version: Annotated[str, typer.Option()] = "1",
    licence: Annotated[str, typer.Option(help="Of the weights.")] = "not stated",
    data: Annotated[str, typer.Option(help="What it was trained on.")] = "not stated",
    data_licence: Annotated[str, typer.Option()] = "not stated",
    device: Annotated[str, typer.Option(help="A torch device to check and measure on.")] = "cpu",
) -> None:
    """Make a model folder from an ONNX file, a torch.export program or a Hugging Face folder, checked and measured.

    Nothing of it is unpickled and none of its code is run. Exit codes: 2 options, 3 the model is refused.
    """
    from soundproof.nets.adding import Addition, add_model  # noqa: PLC0415  (needs torch)
    from soundproof.nets.device import check_device  # noqa: PLC0415  (as above)

    try:
        check_device(device)
        wanted = Addition(
            name=name or folder.resolve().name,
            version=version,
            classes=_names(classes),
            sample_rate_hz=rate,
            clip_samples=samples,
            gain=Gain(gain, 1.0 if target is None and gain is not GainPolicy.NONE else target),
            sigma=sigma,
            feature_sigma=feature_sigma,
            licence=licence,
            data=data,
            data_licence=data_licence,
        )
        card = add_model(source, folder, wanted, device)
    except ModelRefused as error:
        complain(f"{error}")
        raise typer.Exit(REFUSED) from None
    except ValidationError as error:
        complain("; ".join(_in_options(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()))
        raise typer.Exit(USAGE) from None
    except (OSError, ValueError) as error:
        complain(f"{error}")
        raise typer.Exit(USAGE) from None
    print(card)
    errors.print(
        f"wrote {folder}; a running service takes it up on SIGHUP", markup=False, highlight=False, soft_wrap=True
    )


def _in_options(field: str, message: str) -> str:
    """A fault of the manifest in the words of the command line."""
    message = message.removeprefix("Value error, ")
    for name in ("sample_rate_hz", "clip_samples"):
        message = message.replace(name, OPTIONS[name])
    return f"{OPTIONS.get(field, field)}: {message}" if field else message


def _names(classes: str | None) -> tuple[str, ...] | None:
    """Class names from a list with commas or, where there is none, a file with one a line."""
    if classes is None:
        return None
    listed = classes.split(",") if "," in classes else Path(classes).read_text("utf-8-sig").splitlines()
    return tuple(name.strip() for name in listed if name.strip())


async def _listed(url: str | None) -> dict[str, Any]:
    async with client_of(url) as client:
        return await client.models()
