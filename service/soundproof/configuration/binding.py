"""Where the service may be listened on without keys: on this machine's own addresses, unless told otherwise."""

from ipaddress import ip_address

from soundproof.configuration.faults import SettingsRefused
from soundproof.settings import Settings


def check_binding(settings: Settings) -> None:
    """Raises SettingsRefused where whoever reaches the machine could use the service and nobody has said so."""
    if settings.api_keys or settings.open or is_loopback(settings.host):
        return
    raise SettingsRefused(
        [
            f"SOUNDPROOF_HOST is {settings.host!r}, which others can reach, and there are no API keys. Either name a "
            "file of keys in SOUNDPROOF_API_KEYS (soundproof api-keys new makes one), or say with SOUNDPROOF_OPEN=true "
            "that whoever reaches the service may use it."
        ]
    )


def is_loopback(host: str) -> bool:
    """Whether an address is surely this machine's own: 127.0.0.0/8, ::1, or the name localhost."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
