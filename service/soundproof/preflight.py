"""What can be known to be wrong without starting the service: nothing is loaded, opened or made."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from soundproof.api.catalog import Catalog
from soundproof.api_keys import read_api_keys
from soundproof.audio.decoder import installed
from soundproof.engine.devices import devices
from soundproof.errors import SoundproofError, StoreUnavailable
from soundproof.settings import Settings
from soundproof.store.database import checked_url


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `fault`: why the service would not start, or not do its work; else empty."""

    what: str
    told: str
    fault: str = ""


def preflight(settings: Settings) -> tuple[Finding, ...]:
    """The models folder, the devices, the store's place, the keys and what decodes uploads. Never raises."""
    looks = {
        "models": _models,
        "devices": _devices,
        "store": _store,
        "signing key": _signing_key,
        "API keys": _api_keys,
        "formats": _formats,
    }
    findings = []
    for what, look in looks.items():
        try:
            findings.append(Finding(what, look(settings)))
        except SoundproofError as error:
            findings.append(Finding(what, "", f"{error}"))
    return tuple(findings)


def _models(settings: Settings) -> str:
    """Every file of every model is read and compared with its digest, as at the start."""
    catalog = Catalog.read(settings.models, settings.default_model)
    names = [f"{name} (default)" if name == catalog.default else name for name in catalog.entries]
    refused = [f"{folder} is refused: {reason}" for folder, reason in catalog.refused.items()]
    return "; ".join([f"{', '.join(names)} in {settings.models}", *refused])


def _devices(settings: Settings) -> str:
    return ", ".join(devices(settings.devices))


def _store(settings: Settings) -> str:
    if not (given := settings.store.get_secret_value()):
        return "in a temporary file that ends with the process"
    url = checked_url(given)
    if url.get_backend_name() == "sqlite":
        return _writable(Path(url.database or ""))
    if find_spec("psycopg") is None:
        raise StoreUnavailable("There is no driver for PostgreSQL here.", "pip install 'soundproof[postgres]'")
    return f"PostgreSQL at {url.host or 'its default place'}, not asked yet"


def _writable(file: Path) -> str:
    """SQLite makes files of its own beside the database, so the folder has to be writable too."""
    if not file.parent.is_dir():
        raise StoreUnavailable(f"There is no folder {file.parent.resolve()} for the store.")
    if not os.access(file.parent, os.W_OK | os.X_OK) or (file.exists() and not os.access(file, os.R_OK | os.W_OK)):
        raise StoreUnavailable(f"The store {file.resolve()} cannot be written.")
    return f"{file.resolve()}{'' if file.exists() else ', to be made'}"


def _api_keys(settings: Settings) -> str:
    if settings.api_keys is None:
        return "none: whoever reaches the service may use it"
    keys = read_api_keys(settings.api_keys)  # whose faults the settings have told already
    return "; ".join(f"{key.name}: {', '.join(sorted(key.scopes))}" for key in keys)


def _signing_key(settings: Settings) -> str:
    key = settings.signer()  # whose faults the settings have told already
    return f"{key.algorithm} {key.key_id}" if key else "none: certificates are not signed"


def _formats(settings: Settings) -> str:
    allowed = settings.allowed_formats
    return f"WAV; {', '.join(allowed)} by {installed(allowed)}" if allowed else "WAV only"
