"""The file of API keys: who may ask for what, and how much. It has no key in it, only the SHA-256 of each.

A key is "sp_" and 256 bits from the operating system. Slow password hashes are for secrets that can be guessed: nobody
tries 2^256 of them, so one round of SHA-256 gives away nothing, and costs a request nothing.
"""

import hashlib
import re
import secrets
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

PREFIX = "sp_"
SECRET_BYTES = 32
KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
# Every request is compared with every key.
MOST_KEYS = 1000
MOST_BYTES = 1 << 20


class Scope(StrEnum):
    """What a key is for. None of them includes another."""

    CERTIFY = "certify"
    READ = "read"
    ADMIN = "admin"


class Budget(BaseModel):
    """A bucket that holds `cost`, in noise samples x clip samples, and is filled evenly, from empty in `refill_s`
    seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cost: float = Field(gt=0, le=1e24)
    refill_s: float = Field(ge=1, le=366 * 86400)

    @property
    def per_s(self) -> float:
        """Cost that comes back in a second."""
        return self.cost / self.refill_s


def _scopes(given: object) -> object:
    return frozenset(given) if isinstance(given, list) else given


class ApiKey(BaseModel):
    """One entry. `name` stands in logs and metrics; `sha256`: of the key, in hex; without a `budget` it has no end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scopes: Annotated[frozenset[Scope], BeforeValidator(_scopes)] = Field(min_length=1)
    budget: Budget | None = None

    @property
    def toml(self) -> str:
        """The entry as it stands in the file."""
        scopes = ", ".join(f'"{scope}"' for scope in Scope if scope in self.scopes)
        lines = ["[[key]]", f'name = "{self.name}"', f'sha256 = "{self.sha256}"', f"scopes = [{scopes}]"]
        if self.budget:
            lines.append(f"budget = {{cost = {self.budget.cost!r}, refill_s = {self.budget.refill_s!r}}}")
        return "\n".join(lines) + "\n"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: list[ApiKey] = Field(min_length=1, max_length=MOST_KEYS)

    @model_validator(mode="after")
    def _each_once(self) -> "_File":
        for what in ("name", "sha256"):
            values = [getattr(key, what) for key in self.key]
            if repeated := next((value for value in values if values.count(value) > 1), None):
                raise ValueError(f"two keys have the {what} {repeated!r}")
        return self


def new_secret() -> str:
    """A key that nobody has."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def sha256_of(secret: str) -> str:
    """As it stands in the file."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_api_keys(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file, at least one. ValueError says in a line why it has none."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"{path} is larger than {MOST_BYTES} bytes")
        return tuple(_File.model_validate(tomllib.loads(content.decode())).key)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        # What was found is not repeated: it might be a key where its digest should stand.
        [fault, *_] = error.errors(include_url=False, include_input=False)
        place = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise ValueError(f"{path}: {place}: {fault['msg'].removeprefix('Value error, ')}") from None
