"""docker/Dockerfile, read as far as it goes: stages and their instructions. What is not understood here is an error."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT

DOCKERFILE = ROOT / "docker" / "Dockerfile"
UNDERSTOOD = frozenset(
    {"ARG", "COPY", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER", "VOLUME", "WORKDIR"}
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_FLAG = re.compile(r"--([\w-]+)=(\S+)\s+")


@dataclass(frozen=True)
class Instruction:
    """`flags`: what stands as --name=value before `value`, in that order."""

    keyword: str
    value: str
    flags: tuple[tuple[str, str], ...] = ()

    @property
    def words(self) -> list[str]:
        return shlex.split(self.value)

    def flag(self, name: str) -> str | None:
        return dict(self.flags).get(name)


@dataclass(frozen=True)
class Stage:
    """`base`: another stage's name, or an image."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, keyword: str) -> Instruction | None:
        return next((each for each in reversed(self.instructions) if each.keyword == keyword), None)


def stages(path: Path = DOCKERFILE) -> dict[str, Stage]:
    """By name, in the order of the file. Every stage has a name here."""
    found: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    for instruction in _instructions(path.read_text()):
        if instruction.keyword == "ARG" and not found:
            name, _, default = instruction.value.partition("=")
            arguments[name] = default
        elif instruction.keyword == "FROM":
            base, word, name = substituted(instruction.value, arguments).split()
            assert word == "AS", instruction
            found[name] = Stage(name, base)
        else:
            list(found.values())[-1].instructions.append(instruction)
    return found


def chain(name: str, of: Mapping[str, Stage]) -> list[Stage]:
    """The stage and those it is built upon, the lowest first; that one's base is an image."""
    stage = of[name]
    return [*(chain(stage.base, of) if stage.base in of else []), stage]


def substituted(text: str, values: Mapping[str, str]) -> str:
    """$NAME and ${NAME} replaced by values; one that is unknown is an error."""
    return _VARIABLE.sub(lambda match: values[match[1] or match[2]], text)


def pairs(instruction: Instruction) -> dict[str, str]:
    """The variables of an ENV."""
    return dict(word.split("=", 1) for word in instruction.words)


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [_instruction(line) for line in joined.splitlines() if line.strip()]


def _instruction(line: str) -> Instruction:
    keyword, value = line.strip().split(maxsplit=1)
    assert keyword in UNDERSTOOD, line
    flags = []
    while match := _FLAG.match(value):
        flags.append((match[1], match[2]))
        value = value[match.end() :]
    return Instruction(keyword, value, tuple(flags))
