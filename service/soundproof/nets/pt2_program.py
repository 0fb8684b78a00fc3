"""The JSON of a .pt2 program -> steps that can be run one after another, each checked against the operators' list."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from soundproof.errors import ModelRefused
from soundproof.nets.pt2_archive import DTYPES, TensorMeta, first_fault
from soundproof.nets.pt2_schema import FLOAT32, MAJOR, ProgramFile, Range, Signature, kind_of
from soundproof.nets.pt2_step import Name, Step, step_of

# The most that certification runs at a time, smoothing/voting.py.
LARGEST_BATCH = 128
# The one form of a free size: a bare symbol, as torch writes it.
_SYMBOL = re.compile(r"Symbol\('(\w+)'(?:, (?:positive|nonnegative|integer)=True)*\)|(s\d+)")


@dataclass(frozen=True)
class Program:
    """`tensors` by name, then `steps`, turn `waveform` into `logits`."""

    tensors: dict[str, Tensor]
    steps: tuple[Step, ...]
    waveform: str
    logits: str


def parse(text: bytes, stored: Mapping[str, Tensor], clip_samples: int, device: torch.device) -> Program:
    """Check a program and make it ready for `device`; `stored`: the archive's tensors.

    ModelRefused for another input than (batch, clip_samples) float32 with a free batch, more than one output, a
    changed buffer, an operator that is not listed, or anything that is not of the schema.
    """
    try:
        program = ProgramFile.model_validate_json(text)
    except ValidationError as error:
        raise ModelRefused(f"the program is not of the form that torch.export saves: {first_fault(error)}.") from error
    if program.schema_version.major != MAJOR:
        raise ModelRefused(f"the program's schema is {program.schema_version.major}, not {MAJOR}.")
    graph, signature = program.graph_module.graph, program.graph_module.signature
    tensors, waveform = _inputs(signature, stored)
    _hold_to_shape(graph.tensor_values.get(waveform), program.range_constraints, clip_samples)
    logits = _output(signature)
    answer = graph.tensor_values.get(logits)
    if answer is None or answer.dtype not in DTYPES or not DTYPES[answer.dtype].is_floating_point:
        raise ModelRefused("the program's logits are not floating-point numbers.")
    if [kind_of(value) for value in graph.inputs] != [("as_tensor", {"name": name}) for name in (*tensors, waveform)]:
        raise ModelRefused("the program's inputs are not those of its signature.")
    if [kind_of(value) for value in graph.outputs] != [("as_tensor", {"name": logits})]:
        raise ModelRefused("the program's output is not that of its signature.")
    known = {*tensors, waveform}
    steps = [step_of(node, known, device) for node in graph.nodes]
    if logits not in known:
        raise ModelRefused("the program never computes its output.")
    placed = {name: tensor.to(device) for name, tensor in tensors.items()}
    return Program(placed, _with_last_uses(steps, {*tensors, logits}), waveform, logits)


def _inputs(signature: Signature, stored: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors by their names in the graph, and the name of the one input that is left to the caller: the last."""
    tensors: dict[str, Tensor] = {}
    free: list[str] = []
    for spec in signature.input_specs:
        match kind_of(spec):
            case "user_input", {"arg": {"as_tensor": {"name": str(name)}}}:
                free.append(name)
            case (
                ("parameter", {"arg": {"name": str(name)}, "parameter_name": str(key)})
                | ("buffer", {"arg": {"name": str(name)}, "buffer_name": str(key)})
                | ("tensor_constant", {"arg": {"name": str(name)}, "tensor_constant_name": str(key)})
            ) if not free and name not in tensors:
                if key not in stored:
                    raise ModelRefused(f"the archive has no tensor {key!r}.")
                tensors[name] = stored[key]
            case kind, _:
                raise ModelRefused(f"the program has an input of the kind {kind!r}, which is not read here.")
    if len(free) != 1:
        raise ModelRefused(f"the program takes {len(free)} inputs; it must take one, (batch, time) float32.")
    return tensors, free[0]


def _output(signature: Signature) -> str:
    match [kind_of(spec) for spec in signature.output_specs]:
        case [("user_output", {"arg": {"as_tensor": {"name": str(name)}}})]:
            return name
        case [("user_output", _)]:
            raise ModelRefused("the program's output is not a tensor.")
        case several:
            kinds = ", ".join(sorted({kind for kind, _ in several})) or "nothing"
            raise ModelRefused(
                f"the program must answer one tensor and change nothing; it has {len(several)} outputs ({kinds}).",
                "Return the logits alone, and call eval() before the export.",
            )


def _hold_to_shape(meta: TensorMeta | None, ranges: Mapping[str, Range], clip_samples: int) -> None:
    if meta is None or meta.dtype != FLOAT32 or len(meta.sizes) != 2:
        raise ModelRefused("the program's input is not (batch, time) float32.")
    batch, time = meta.sizes
    if time.as_int != clip_samples:
        raise ModelRefused(f"the program takes clips of {time.as_int} samples, the manifest says {clip_samples}.")
    symbol = _SYMBOL.fullmatch(str(batch.as_expr.get("expr_str"))) if batch.as_expr else None
    if symbol is None:
        raise ModelRefused(
            "the program's batch size is not free.",
            'Export it with dynamic_shapes=({0: torch.export.Dim("batch")},).',
        )
    allowed = ranges.get(symbol[1] or symbol[2])
    if allowed and allowed.max_val is not None and allowed.max_val < LARGEST_BATCH:
        raise ModelRefused(f"the program's batch size may not exceed {allowed.max_val}; {LARGEST_BATCH} are needed.")


def _with_last_uses(steps: list[Step], kept: set[str]) -> tuple[Step, ...]:
    """Each step with the names that are free after it, so that a long program does not hold every result."""
    seen = set(kept)
    backwards: list[Step] = []
    for step in reversed(steps):
        names = _used(step.args) | _used(step.kwargs) | _made(step.outputs)
        backwards.append(Step(step.function, step.args, step.kwargs, step.outputs, tuple(sorted(names - seen))))
        seen |= names
    return tuple(reversed(backwards))


def _used(template: Any) -> set[str]:
    """Every name within a step's arguments."""
    match template:
        case Name(text):
            return {text}
        case list() | tuple():
            return set().union(*map(_used, template))
        case dict():
            return set().union(*map(_used, template.values()))
    return set()


def _made(outputs: Any) -> set[str]:
    """Every name within a step's results."""
    match outputs:
        case str():
            return {outputs}
        case tuple():
            return set().union(*map(_made, outputs))
    return set()
