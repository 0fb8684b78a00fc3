"""A classifier from a .pt2 file: its steps are run here, one operator after another, and nothing else is."""

from typing import Any

import torch
from torch import Tensor

from soundproof.nets import pt2_archive, pt2_program
from soundproof.nets.pt2_program import Program
from soundproof.nets.pt2_step import Name


class Exported:
    """A torch.export program. It has no feature stage: the features are the waveform itself."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def features(self, waveform: Tensor) -> Tensor:
        return waveform

    def head(self, features: Tensor) -> Tensor:
        """(batch, time) float32 -> (batch, classes) logits."""
        values: dict[str, Any] = {**self.program.tensors, self.program.waveform: features}
        for step in self.program.steps:
            result = step.function(*_bound(step.args, values), **_bound(step.kwargs, values))
            _assign(step.outputs, result, values)
            for name in step.last:
                del values[name]
        logits: Tensor = values[self.program.logits]
        if not isinstance(logits, Tensor) or not logits.is_floating_point():  # whatever the program says they are
            raise ValueError("the program's logits are not floating-point numbers")
        return logits


def load(content: bytes, clip_samples: int, device: torch.device) -> Exported:
    """The classifier of a .pt2 file's bytes; ModelRefused as pt2_archive.read and pt2_program.parse do."""
    text, tensors = pt2_archive.read(content)
    return Exported(pt2_program.parse(text, tensors, clip_samples, device))


def _bound(template: Any, values: dict[str, Any]) -> Any:
    """Arguments with every Name replaced by its value."""
    match template:
        case Name(text):
            return values[text]
        case list():
            return [_bound(part, values) for part in template]
        case tuple():
            return tuple(_bound(part, values) for part in template)
        case dict():
            return {key: _bound(part, values) for key, part in template.items()}
    return template


def _assign(outputs: Any, result: Any, values: dict[str, Any]) -> None:
    """Give a step's results their names. ValueError when there are more or fewer of them."""
    match outputs:
        case str():
            values[outputs] = result
        case tuple():
            for name, part in zip(outputs, result, strict=True):
                _assign(name, part, values)
