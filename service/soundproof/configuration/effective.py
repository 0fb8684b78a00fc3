"""What the settings are and where each came from, in a form that anybody may read."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from soundproof.configuration.variable import number, variables
from soundproof.secret_url import SecretUrl
from soundproof.settings import Settings


@dataclass(frozen=True)
class Effective:
    """`value`: nothing of a secret but whether it is set; URLs without passwords. `source`: default, environment, file
    or option."""

    name: str
    value: str
    source: str


def effective(settings: Settings, options: Container[str], environ: Mapping[str, str]) -> tuple[Effective, ...]:
    """Every setting, in the order of Settings; `options`: the fields that the command line gave."""

    def source(field: str, file: str) -> str:
        if field in options:
            return "option"
        if field not in settings.model_fields_set:
            return "default"
        return "file" if file and environ.get(file) else "environment"

    return tuple(
        Effective(variable.name, _shown(getattr(settings, variable.field)), source(variable.field, variable.file))
        for variable in variables()
    )


def _shown(value: object) -> str:
    match value:
        case SecretUrl():
            return str(value) or "not set"
        case SecretStr():
            return "set" if value.get_secret_value() else "not set"
        case bool():
            return str(value).lower()
        case float():
            return number(value)
        case _:
            return "not set" if value in (None, "") else str(value)
