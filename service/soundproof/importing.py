"""Imports at the start of a process that serves for long."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_postponed() -> Iterator[None]:
    """No garbage is looked for within, and what is there at its end is never looked through again.

    Importing torch or the API makes some hundred thousand objects that stay, and looks through them many times over: a
    tenth of the time that it takes, or more.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
