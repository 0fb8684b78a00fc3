"""The JSON of a .pt2 program as types: torch._export.serde.schema, version 8.

A field that is not known here is refused, not skipped, except what only describes: metadata, module calls, the guards'
Python (never run) and the shapes that were seen, all Any.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from soundproof.errors import ModelRefused
from soundproof.nets.pt2_archive import TensorMeta

MAJOR = 8
FLOAT32 = 7
MOST_NODES = 100_000

# One key, which says the kind, and its value.
Tagged = dict[str, Any]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NodeInput(Strict):
    name: str
    arg: Tagged
    kind: int | None = None


class Node(Strict):
    target: str
    inputs: list[NodeInput]
    outputs: list[Tagged]
    metadata: Any = None
    name: Any = None
    is_hop_single_tensor_return: Any = None


class Graph(Strict):
    inputs: list[Tagged]
    outputs: list[Tagged]
    nodes: list[Node] = Field(max_length=MOST_NODES)
    tensor_values: dict[str, TensorMeta]
    sym_int_values: Any = None
    sym_bool_values: Any = None
    sym_float_values: Any = None
    is_single_tensor_return: Any = None
    custom_obj_values: dict[str, Any] = Field({}, max_length=0)


class Signature(Strict):
    input_specs: list[Tagged]
    output_specs: list[Tagged]


class GraphModule(Strict):
    graph: Graph
    signature: Signature
    module_call_graph: Any = None
    metadata: Any = None
    treespec_namedtuple_fields: Any = None


class Version(Strict):
    major: int
    minor: int


class Range(Strict):
    min_val: int | None
    max_val: int | None


class ProgramFile(Strict):
    graph_module: GraphModule
    opset_version: Any = None
    range_constraints: dict[str, Range]
    schema_version: Version
    verifiers: Any = None
    torch_version: Any = None
    guards_code: Any = None


def kind_of(value: Tagged) -> tuple[str, Any]:
    """The one key of a tagged value, and what it holds."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ModelRefused("the program has a value of no kind, or of several.")
    [(kind, content)] = value.items()
    return kind, content
