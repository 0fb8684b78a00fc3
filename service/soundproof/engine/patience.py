"""How long the coordinator waits for a worker that says nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Of a worker that has votes to draw and sends none: after `unready_s` seconds it is not counted on, after
    `stall_s` it is ended, and another one does its work."""

    unready_s: float = 30.0
    stall_s: float = 120.0
