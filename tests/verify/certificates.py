"""Certificates for tests of verification: made without a service, and altered as a forger would."""

import copy
import json
from typing import Any

from tests.smoothing.issuing import document

from soundproof.certificate import content_id

CLIP = b"no WAV file, but bytes"


def altered(found: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """With other values at these dotted paths, under the address of its new content: what a careful forger sends."""
    forged = copy.deepcopy(found)
    for path, value in changes.items():
        *places, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
        part: Any = forged
        for place in places:
            part = part[place]
        part[last] = value
    if "certificate_id" not in changes:
        forged["certificate_id"] = content_id(forged)
    return forged


def as_bytes(found: dict[str, Any]) -> bytes:
    return json.dumps(found).encode()


def made(**changes: Any) -> dict[str, Any]:
    return altered(document(), changes)
