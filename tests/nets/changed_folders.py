"""Model folders that are changed, and what the loader then says of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from soundproof.errors import ModelRefused
from soundproof.nets.folder import load
from soundproof.nets.manifest import MANIFEST, WEIGHTS, file_digest

SAMPLES, CLASSES = 400, 3
# A key of model.json, or several for one within another, and what to put there.
Change = tuple[tuple[str, ...], Any]


def change_manifest(folder: Path, *changes: Change) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    for (*outer, key), value in changes:
        part = content
        for name in outer:
            part = part[name]
        part[key] = value
    (folder / MANIFEST).write_text(json.dumps(content))


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the tensors and let the manifest vouch for the result."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    vouch(folder)


def vouch(folder: Path) -> None:
    change_manifest(folder, (("weights_sha256",), file_digest(folder / WEIGHTS)))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelRefused) as caught:
        load(folder)
    assert str(folder) in caught.value.detail
    return str(caught.value)
