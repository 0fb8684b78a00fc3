"""What the fuzzers are let loose on: plain functions of bytes that return where a promise holds and raise where not."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

CORPUS = Path(__file__).parent / "corpus"

# name -> bytes of the longest input worth trying. Each is a module here, with a function `check` and WORDS.
LONGEST = {
    "wav": 1024,
    "compressed": 4096,
    "archives": 8192,
    "manifest": 2048,
    "fields": 2048,
    "certificate": 8192,
    "claims": 128,
    "answers": 4096,
}


@dataclass(frozen=True)
class Target:
    """`check`: raises, whatever, when the promise in its docstring is broken by that input. `words`: what the format
    is written with, which no fuzzer guesses."""

    name: str
    check: Callable[[bytes], None]
    longest: int
    words: tuple[bytes, ...] = ()

    @property
    def corpus(self) -> Path:
        """Inputs that each reach something that the others do not, and every input that ever broke a promise."""
        return CORPUS / self.name

    @property
    def inputs(self) -> list[Path]:
        return sorted(self.corpus.iterdir())


def target(name: str) -> Target:
    """KeyError for a name that is none."""
    longest = LONGEST[name]
    module: ModuleType = import_module(f"tests.fuzz.{name}")
    return Target(name, module.check, longest, module.WORDS)
