"""SOUNDPROOF_X_FILE for a secret setting X: its value from a file, which a container or a service manager mounts.

An environment is shown by `docker inspect`, by /proc and in crash reports; a file has an owner. Every field that is a
secret has such a variable, but for one that has a field of its own for it (signing_key_file).
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from soundproof.signing import read_text

SUFFIX = "_FILE"


@dataclass(frozen=True)
class Unreadable:
    """What stands in the place of a value that cannot be had, until the settings are validated."""

    reason: str


class SecretFiles(PydanticBaseSettingsSource):
    """Values of secret settings from the files that variables name. To stand before the environment itself."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """(the content without white space around it, the field's name, False), or None where no file is named."""
        variable = f"{self.settings_cls.model_config.get('env_prefix', '')}{field_name}".upper()
        file = f"{variable}{SUFFIX}"
        if not (path := os.environ.get(file)):
            return None, field_name, False
        if os.environ.get(variable):
            return Unreadable(f"{variable} and {file} are both set; set one"), field_name, False
        try:
            content = read_text(Path(path)).strip()
        except ValueError as error:
            return Unreadable(f"{file}: {error}"), field_name, False
        # An empty one was most likely not written yet: to go on without a secret is not what was asked for.
        return content or Unreadable(f"{file}: {path} is empty"), field_name, False

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        values = {name: self.get_field_value(fields[name], name)[0] for name in secrets_by_file(self.settings_cls)}
        return {name: value for name, value in values.items() if value is not None}


def secrets_by_file(settings: type[BaseSettings]) -> tuple[str, ...]:
    """The fields that can be given by a file whose variable is not a field itself."""
    fields = settings.model_fields
    return tuple(
        name
        for name, field in fields.items()
        if isinstance(field.annotation, type)
        and issubclass(field.annotation, SecretStr)
        and f"{name}{SUFFIX.lower()}" not in fields
    )
