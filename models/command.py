"""What a user got wrong, said in a line."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from soundproof.errors import SoundproofError


@contextmanager
def told(parser: argparse.ArgumentParser) -> Iterator[None]:
    """Missing files, wrong recipes, values and models end the program in one line, exit code 2, without a traceback."""
    try:
        yield
    except ValidationError as error:
        parser.error("; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()))
    except (OSError, ValueError, SoundproofError) as error:
        parser.error(str(error))


def count(text: str) -> int:
    """A whole number of at least 1; for argparse, which names it by this function's name."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number
