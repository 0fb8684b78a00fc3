"""The settings as their users meet them: environment variables, described by Settings itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from soundproof.secret_files import SUFFIX, secrets_by_file
from soundproof.secret_url import SecretUrl
from soundproof.settings import Settings

PREFIX = Settings.model_config.get("env_prefix", "")
# The last word of a setting's name tells its unit.
UNITS = {"s": "s", "days": "days", "bytes": "bytes", "clips": "clips", "samples": "noise samples", "cores": "cores"}
KINDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}


@dataclass(frozen=True, kw_only=True)
class Variable:
    """Texts to read, empty where there is nothing to say. `file`: the variable naming a file with the value instead."""

    name: str
    field: str
    default: str
    kind: str
    range: str
    unit: str
    meaning: str
    file: str

    @property
    def takes(self) -> str:
        """What the variable may be set to, as in "a whole number, 0 to 65535"."""
        return ", ".join(text for text in (self.kind, self.range) if text)


def variables() -> tuple[Variable, ...]:
    """All of them, in the order of Settings."""
    schema = Settings.model_json_schema()["properties"]
    return tuple(_variable(field, schema[field]) for field in Settings.model_fields)


def variable_of(field: str) -> str:
    return f"{PREFIX}{field}".upper()


def markdown() -> str:
    """The table of docs/configuration.md."""
    head = ["| variable | default | range | unit | meaning |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(_row, variables())]) + "\n"


def _row(variable: Variable) -> str:
    file = f"; `{variable.file}`: from a file" if variable.file else ""
    default = f"`{variable.default}`" if variable.default else "none"
    cells = (f"`{variable.name}`", default, variable.range or variable.kind, variable.unit, variable.meaning + file)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _variable(field: str, schema: Mapping[str, Any]) -> Variable:
    given = next((each for each in schema.get("anyOf", ()) if each["type"] != "null"), schema)
    is_url = Settings.model_fields[field].annotation is SecretUrl
    return Variable(
        name=variable_of(field),
        field=field,
        default=_default(Settings.model_fields[field].default),
        kind="a URL" if is_url else _kind(given),
        range=_range(given),
        unit=UNITS.get(field.rpartition("_")[2], ""),
        meaning=Settings.model_fields[field].description or "",
        file=f"{variable_of(field)}{SUFFIX}" if field in secrets_by_file(Settings) else "",
    )


def _default(value: object) -> str:
    """As it would be set. A default is no secret."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, float) else "" if value is None else str(value)


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    if schema["type"] == "string":
        return {"path": "a path", "password": "a secret"}.get(schema.get("format", ""), "text")
    return KINDS[schema["type"]]


def _range(schema: Mapping[str, Any]) -> str:
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    most, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if least is not None and most is not None:
        return f"{number(least)} to {number(most)}"
    bounds = {"at least": least, "above": above, "at most": most, "below": below}
    return ", ".join(f"{word} {number(bound)}" for word, bound in bounds.items() if bound is not None)


def number(value: float) -> str:
    """The shortest text of a number: 3600, 0.5, 2e10."""
    return str(value) if isinstance(value, int) else f"{value:g}".replace("e+", "e")
