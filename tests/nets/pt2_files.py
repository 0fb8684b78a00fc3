"""Small .pt2 files, and the same with something in them changed."""

import functools
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from soundproof.errors import ModelRefused
from soundproof.nets.exported import load

CLIP, CLASSES = 16, 3
BATCH = torch.export.Dim("batch")
PROGRAM = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"


class Tiny(nn.Module):
    """A linear classifier with a bit of arithmetic on its batch size."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(CLIP, CLASSES)
        self.register_buffer("scale", torch.full((1,), 2.0))

    def forward(self, waveform: Tensor) -> Tensor:
        scaled = (self.scale * waveform).reshape(waveform.shape[0], CLIP)
        logits: Tensor = self.linear(scaled)
        return logits


def saved(network: nn.Module, *inputs: Tensor, shapes: Any = None, decomposed: bool = True) -> bytes:
    """What torch.export.save writes for `network`; without inputs, for (batch, CLIP) with a free batch."""
    inputs = inputs or (torch.zeros(2, CLIP),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, on its way of saving
        program = torch.export.export(network, inputs, dynamic_shapes=shapes or ({0: BATCH},))
        file = io.BytesIO()
        torch.export.save(program.run_decompositions({}) if decomposed else program, file)
    return file.getvalue()


@functools.cache
def tiny() -> bytes:
    """Tiny, as it is saved for use here."""
    return saved(Tiny())


def members(content: bytes) -> dict[str, bytes]:
    """The archive's members by name, without their top folder."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes], top: str = "archive") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"{top}/{name}", content)
    return file.getvalue()


def with_members(content: bytes, **changed: bytes) -> bytes:
    """`changed` by name, with __ for / and _dot_ for a point."""
    names = {name.replace("__", "/").replace("_dot_", "."): new for name, new in changed.items()}
    return packed(members(content) | names)


def with_json(content: bytes, name: str, change: Callable[[Any], object]) -> bytes:
    """The archive with one of its JSON members changed in place by `change`."""
    parts = members(content)
    document = json.loads(parts[name])
    change(document)
    return packed(parts | {name: json.dumps(document).encode()})


def refusal(content: bytes, clip_samples: int = CLIP) -> str:
    """What such a file is answered."""
    with pytest.raises(ModelRefused) as caught:
        load(content, clip_samples, torch.device("cpu"))
    return str(caught.value)
