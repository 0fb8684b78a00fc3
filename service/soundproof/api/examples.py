"""The certificate shown in the API's description: one that the service really returned."""

import json
from importlib.resources import files
from typing import Any


def certificate() -> dict[str, Any]:
    """As JSON; tests hold it to the schema and to its own content address."""
    example: dict[str, Any] = json.loads(files("soundproof.api").joinpath("certificate.json").read_text("utf-8"))
    return example
