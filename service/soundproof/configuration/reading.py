"""Settings from the environment, with every fault told in the words of whoever set it."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from soundproof.configuration.faults import SettingsRefused
from soundproof.configuration.variable import PREFIX, Variable, variables
from soundproof.settings import Settings

# Read by the client and its pytest plugin, so no settings of the service.
OTHERS = frozenset({f"{PREFIX}URL", f"{PREFIX}API_KEY"})
LONGEST_SHOWN = 80


def read_settings(**options: Any) -> Settings:
    """Settings from the environment, but for the options of the command line, by field.

    Raises SettingsRefused with a line for each fault.
    """
    try:
        return Settings(**options)
    except ValidationError as error:
        # Without its cause, which has the values in it.
        raise SettingsRefused([_line(fault, options) for fault in error.errors(include_url=False)]) from None


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A line for each variable that looks like a setting and is none, with the nearest that is one."""
    known = {name for variable in variables() for name in (variable.name, variable.file) if name} | OTHERS
    return [
        f"{name} is not a setting and has no effect{_nearest(name.upper(), known)}"
        for name in sorted(environ)
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]


def _nearest(name: str, known: set[str]) -> str:
    ends = [each.removeprefix(PREFIX) for each in known]
    near = get_close_matches(name.removeprefix(PREFIX), ends, n=1)
    return f"; did you mean {PREFIX}{near[0]}?" if near else "; see docs/configuration.md"


def _line(fault: ErrorDetails, options: Mapping[str, Any]) -> str:
    place = fault["loc"]
    variable = next((each for each in variables() if place and each.field == place[0]), None)
    if fault["type"] == "value_error":
        text = str(fault["ctx"]["error"])
        return text if variable is None or variable.name in text else f"{variable.name}: {text}"
    if variable is None:
        return fault["msg"]
    return (
        f"{_name(variable, options)} {_given(variable, fault['input'])}; it takes {variable.takes} ({variable.meaning})"
    )


def _name(variable: Variable, options: Mapping[str, Any]) -> str:
    return f"--{variable.field.replace('_', '-')}" if variable.field in options else variable.name


def _given(variable: Variable, value: object) -> str:
    annotation = Settings.model_fields[variable.field].annotation
    if isinstance(annotation, type) and issubclass(annotation, SecretStr):
        return "cannot be read"
    return f"is {value!r}"[:LONGEST_SHOWN]
