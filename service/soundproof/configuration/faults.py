"""SettingsRefused: why the service does not start with these settings. In the base install."""

from collections.abc import Sequence


class SettingsRefused(Exception):
    """Not in the tree of errors.py: no request ever meets it.

    `faults`: one line each, which names the variable (or the option) and what it takes, and nothing of a secret.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
