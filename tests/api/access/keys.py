"""Keys for tests, and files of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from soundproof.api_keys import ApiKey, Budget, Scope, new_secret, sha256_of


@dataclass(frozen=True)
class Made:
    """A key and its entry."""

    secret: str
    entry: ApiKey

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


def made(name: str, *scopes: Scope, budget: Budget | None = None) -> Made:
    secret = new_secret()
    return Made(secret, ApiKey(name=name, sha256=sha256_of(secret), scopes=frozenset(scopes), budget=budget))


def write(path: Path, keys: Iterable[Made]) -> Path:
    """As somebody exchanges a file: whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text("\n".join(key.entry.toml for key in keys))
    return fresh.replace(path)
