"""A .pt2 file, as torch.export.save writes it -> the program's JSON and its tensors. Nothing is unpickled.

torch.export.load is not used: it unpickles the sample inputs of every file (torch.load with weights_only=False after a
first try with True), unpickles whatever tensor or custom object is marked for it, evaluates symbolic sizes with
sympy.sympify and guards with exec, and loads compiled libraries. Here a file is a zip archive of stored members, of
which four kinds are read: a JSON program, two JSON tables, and raw tensor bytes.
"""

import io
import math
import re
import struct
import zipfile
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from soundproof.errors import ModelRefused

MOST_MEMBERS = 100_000
MOST_JSON_BYTES = 64 << 20
MOST_ELEMENTS = 1 << 48  # beyond any memory; torch multiplies sizes and strides in 64 bits
PROGRAM = "models/model.json"
TABLES = {
    "data/weights/": "data/weights/model_weights_config.json",
    "data/constants/": "data/constants/model_constants_config.json",
}
_KNOWN = re.compile(
    r"models/model\.json|data/(weights|constants)/model_(weights|constants)_config\.json"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+"
    r"|archive_format|archive_version|byteorder|\.data/(version|serialization_id)"
    r"|data/sample_inputs/model\.pt"  # a pickle that torch always writes; nothing here opens it
)
# By the numbers of torch._export.serde.schema.ScalarType.
DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    10: torch.complex64,
    11: torch.complex128,
    12: torch.bool,
    13: torch.bfloat16,
}
STRIDED = 7


class Size(BaseModel):
    """A fixed number, or `as_expr`: a symbolic one, whose text is compared and never evaluated."""

    model_config = ConfigDict(extra="forbid", strict=True)

    as_int: int | None = None
    as_expr: dict[str, Any] | None = None


class TensorMeta(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    dtype: int
    sizes: list[Size] = Field(max_length=16)
    requires_grad: bool
    device: dict[str, Any]
    strides: list[Size] = Field(max_length=16)
    storage_offset: Size
    layout: int


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    path_name: str
    is_param: bool
    use_pickle: bool
    tensor_meta: TensorMeta | None


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    config: dict[str, _Payload]


def read(content: bytes) -> tuple[bytes, dict[str, Tensor]]:
    """(the program's JSON, tensors by their name in the program) of a .pt2 file.

    ModelRefused for whatever torch.export.save would not have written for a program of plain tensors.
    """
    members = _members(content)
    for name, expected in (("archive_format", b"pt2"), ("archive_version", b"0"), ("byteorder", b"little")):
        if members.get(name) != expected:
            raise ModelRefused(f"the archive's {name} is {members.get(name, b'missing')[:20]!r}, not {expected!r}.")
    tensors: dict[str, Tensor] = {}
    for folder, table in TABLES.items():
        for name, payload in _table(members, table).config.items():
            if name in tensors:
                raise ModelRefused(f"the archive holds two tensors named {name!r}.")
            tensors[name] = _tensor(members, folder, name, payload)
    return _json(members, PROGRAM), tensors


def _members(content: bytes) -> dict[str, bytes]:
    """The members by name, without the archive's one top folder. All are stored, so none is larger than the file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_MEMBERS or sum(entry.file_size for entry in entries) > len(content):
                raise ModelRefused("the archive's members are larger, or more, than its bytes can hold.")
            top = entries[0].filename.partition("/")[0] if entries else ""
            names = [entry.filename.removeprefix(f"{top}/") for entry in entries]
            for entry, name in zip(entries, names, strict=True):
                if not _KNOWN.fullmatch(name) or not top or entry.filename != f"{top}/{name}":
                    raise ModelRefused(
                        f"the archive holds {entry.filename[:100]!r}, which is no part of a plain exported program.",
                        "Pickled weights, custom objects, compiled libraries and extra files are not read.",
                    )
                if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                    raise ModelRefused(f"{name!r} is compressed or encrypted; torch.export.save stores its members.")
            if len(set(names)) != len(names):
                raise ModelRefused("the archive holds two members of one name.")
            return {
                name: archive.read(entry)
                for entry, name in zip(entries, names, strict=True)
                if not name.startswith("data/sample_inputs/")
            }
    except (zipfile.BadZipFile, EOFError, NotImplementedError, struct.error, ValueError, OverflowError) as error:
        raise ModelRefused(f"the file is not a .pt2 archive ({error}).") from error


def _json(members: dict[str, bytes], name: str) -> bytes:
    if name not in members:
        raise ModelRefused(
            f"the archive has no {name}.", "Save one program: torch.export.save(torch.export.export(...), path)."
        )
    if len(members[name]) > MOST_JSON_BYTES:
        raise ModelRefused(f"{name} is larger than {MOST_JSON_BYTES} bytes.")
    return members[name]


def _table(members: dict[str, bytes], name: str) -> _Table:
    try:
        return _Table.model_validate_json(_json(members, name))
    except ValidationError as error:
        raise ModelRefused(f"{name} is wrong: {first_fault(error)}.") from error


def _tensor(members: dict[str, bytes], folder: str, name: str, payload: _Payload) -> Tensor:
    meta = payload.tensor_meta
    if payload.use_pickle or meta is None:
        raise ModelRefused(
            f"{name!r} is pickled, and nothing is unpickled here.",
            "Tensor subclasses and custom objects are saved so: export a model of plain tensors.",
        )
    content = members.get(folder + payload.path_name)
    if content is None:
        raise ModelRefused(f"the archive has no bytes for {name!r}.")
    if meta.dtype not in DTYPES or meta.layout != STRIDED:
        raise ModelRefused(f"{name!r} has a type or a layout that is not read here.")
    sizes, strides = [_fixed(size, name) for size in meta.sizes], [_fixed(stride, name) for stride in meta.strides]
    offset = _fixed(meta.storage_offset, name)
    dtype = DTYPES[meta.dtype]
    held, rest = divmod(len(content), dtype.itemsize)
    if len(sizes) != len(strides) or rest or math.prod(sizes) > held:
        raise ModelRefused(f"{name!r} is said to be larger than its bytes.")
    if math.prod(max(size, 1) for size in sizes) > MOST_ELEMENTS:
        raise ModelRefused(f"{name!r} has sizes that no tensor can have.")
    if 0 in sizes:
        return torch.empty(sizes, dtype=dtype)
    if offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) >= held:
        raise ModelRefused(f"{name!r} reaches beyond its bytes.")
    # A copy, because torch wants memory that may be written.
    return torch.frombuffer(bytearray(content), dtype=dtype).as_strided(sizes, strides, offset)


def _fixed(size: Size, name: str) -> int:
    if size.as_int is None or size.as_int < 0:
        raise ModelRefused(f"{name!r} has a size, stride or offset that is not a number.")
    if size.as_int > MOST_ELEMENTS:
        raise ModelRefused(f"{name!r} has a size, stride or offset that reaches beyond its bytes.")
    return size.as_int


def first_fault(error: ValidationError) -> str:
    """Where and why a JSON document is not of the form expected: the first fault, in a line."""
    fault = error.errors()[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'content'}: {fault['msg']}"
