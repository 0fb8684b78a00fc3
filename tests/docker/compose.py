"""docker-compose.yml as Compose reads it: variables replaced, then parsed."""

import re
from collections.abc import Mapping
from typing import Any

import yaml
from tests.conftest import ROOT

FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-+])([^}]*))?\}")


def compose(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """With the variables of `environment` set, and no other."""
    given = environment or {}

    def value(match: re.Match[str]) -> str:
        name, kind, text = match.groups()
        told = given.get(name, "")
        return (text if told else "") if kind == "+" else told or text or ""

    parsed: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, FILE.read_text()))
    return parsed


def variables() -> set[str]:
    """What may be set in the shell or in .env."""
    return {match[1] for match in _VARIABLE.finditer(FILE.read_text())}
