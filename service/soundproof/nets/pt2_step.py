"""One call of a .pt2 program -> a step that can be run, its operator and its arguments checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch._ops import OpOverload

from soundproof.errors import ModelRefused
from soundproof.nets.checked import CHECKED
from soundproof.nets.operators import HELD, resolve
from soundproof.nets.pt2_archive import DTYPES, STRIDED
from soundproof.nets.pt2_schema import Node, Tagged, kind_of

MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
_SPECIAL_FLOATS = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}


@dataclass(frozen=True)
class Name:
    """Stands for the value of an earlier step."""

    text: str


@dataclass(frozen=True)
class Step:
    """values[outputs] = function(*args, **kwargs); `outputs` is a name, None, or a tuple of them, as the result is.

    `last`: names that no later step needs.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Any
    last: tuple[str, ...]


def step_of(node: Node, known: set[str], device: torch.device) -> Step:
    """One call, checked. `known`: the names that can be used here; the call's own results are added."""
    function = resolve(node.target)
    given = [(part.name, _argument(part.arg, known, device)) for part in node.inputs]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    if isinstance(function, OpOverload):
        args, kwargs = _by_schema(node.target, function, given, device)
        function = CHECKED.get(f"{function._schema.name.removeprefix('aten::')}.{function._overloadname}", function)
    else:
        args = [value for _, value in given]
    outputs: Any = tuple(_declared(output, known) for output in node.outputs)
    if len(outputs) <= 1:
        outputs = outputs[0] if outputs else None
    return Step(function, tuple(args), kwargs, outputs, ())


def _by_schema(
    target: str, function: OpOverload, given: list[tuple[str, Any]], device: torch.device
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments by the operator's own schema, on this device whatever the export's was."""
    left = dict(given)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    left.pop("pin_memory", None)  # where the memory of the export's machine lay
    for position, parameter in enumerate(function._schema.arguments):
        if parameter.name == "device":
            kwargs["device"] = device
            left.pop("device", None)
        elif parameter.name in left:
            value = left.pop(parameter.name)
            if parameter.kwarg_only or kwargs or len(args) < position:
                kwargs[parameter.name] = value
            else:
                args.append(value)
    name = function._schema.name.removeprefix("aten::")
    if name in HELD:
        held, constant = HELD[name]
        if dict(given).get(held, constant) != constant:
            raise ModelRefused(
                f"the program calls {target!r} with {held} other than {constant}.", "Call eval() before the export."
            )
    if left or len(given) != len(dict(given)):
        raise ModelRefused(f"the program calls {target!r} with arguments that it does not have.")
    return args, kwargs


def _argument(value: Tagged, known: set[str], device: torch.device) -> Any:  # noqa: PLR0911, PLR0912  (one case a kind)
    match kind_of(value):
        case "as_none", _:
            return None
        case ("as_tensor", {"name": str(name)}) | (
            ("as_sym_int" | "as_sym_float" | "as_sym_bool"),
            {"as_name": str(name)},
        ):
            return _reference(name, known)
        case ("as_int", int(number)) | ("as_sym_int", {"as_int": int(number)}):
            return number
        case ("as_float", (int() | float() | str()) as number) | (
            "as_sym_float",
            {"as_float": (int() | float() | str()) as number},
        ):
            return _float(number)
        case ("as_bool", bool(flag)) | ("as_sym_bool", {"as_bool": bool(flag)}):
            return flag
        case "as_string", str(text):
            return text
        case "as_complex", {"real": real, "imag": imag}:
            return complex(_float(real), _float(imag))
        case "as_scalar_type", int(number) if number in DTYPES:
            return DTYPES[number]
        case "as_memory_format", int(number) if number in MEMORY_FORMATS:
            return MEMORY_FORMATS[number]
        case "as_layout", int(number) if number == STRIDED:
            return torch.strided
        case "as_device", dict():
            return device
        case ("as_tensors", list(parts)):
            return [_argument({"as_tensor": part}, known, device) for part in parts]
        case ("as_optional_tensors", list(parts)):
            return [_argument(part, known, device) for part in parts]
        case "as_optional_tensor", dict(part):
            return _argument(part, known, device)
        case ("as_ints" | "as_floats" | "as_bools") as kind, list(parts):
            return [_argument({kind[:-1]: part}, known, device) for part in parts]
        case ("as_sym_ints" | "as_sym_floats" | "as_sym_bools") as kind, list(parts):
            return [_argument({kind[:-1]: part}, known, device) for part in parts]
        case kind, _:
            raise ModelRefused(f"the program has an argument of the kind {kind!r}, which is not read here.")
    raise AssertionError


def _declared(value: Tagged, known: set[str]) -> Any:
    match kind_of(value):
        case "as_none", _:
            return None
        case ("as_tensor", {"name": str(name)}) | (
            ("as_sym_int" | "as_sym_float" | "as_sym_bool"),
            {"as_name": str(name)},
        ):
            if name in known:
                raise ModelRefused(f"the program computes {name[:100]!r} twice.")
            known.add(name)
            return name
        case "as_tensors", list(parts):
            return tuple(_declared({"as_tensor": part}, known) for part in parts)
        case kind, _:
            raise ModelRefused(f"the program has a result of the kind {kind!r}, which is not read here.")
    raise AssertionError


def _reference(name: str, known: set[str]) -> Name:
    if name not in known:
        raise ModelRefused(f"the program uses {name[:100]!r} before it is computed.")
    return Name(name)


def _float(number: object) -> float:
    if isinstance(number, str) and number in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[number]
    if isinstance(number, int | float):
        return float(number)
    raise ModelRefused("the program has a number that is none.")
