"""A run on disk, as JSON lines: the question first, then every clip as it is answered.

A run goes on from it, a later run is compared with it, and other tools read it. A line is whole or it is not there:
what an interrupt left of the last one is dropped.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.question import Question
from soundproof.client.gate.result import Result

FORMAT = "soundproof_gate"
VERSION = 1


@dataclass(frozen=True)
class PastRun:
    """A run as it was written; `results` in the order of its lines."""

    question: Question
    results: tuple[Result, ...]


def read_run(path: Path) -> PastRun | None:
    """The run in a file; None for one that is empty, or only half of its first line.

    Raises SuiteFault for a file that is anything else, or damaged elsewhere than in its last line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SuiteFault(f"{path} cannot be read: {error.strerror}.") from error
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    if not lines:
        if data and not _head_begins(data):
            raise SuiteFault(f"{path} is no run of this gate.")
        return None
    question = _question(lines[0], path)
    results = []
    for number, line in enumerate(lines[1:], 2):
        try:
            results.append(Result.model_validate_json(line))
        except ValidationError as error:
            raise SuiteFault(f"{path}, line {number}: not a clip's result.") from error
    return PastRun(question, tuple(results))


@dataclass
class Journal:
    """What is known of the clips of a run. `held`: results by key, with those of an earlier, interrupted start."""

    path: Path | None
    question: Question
    held: dict[str, Result] = field(default_factory=dict)

    @classmethod
    def opened(cls, path: Path | None, question: Question, *, fresh: bool = False) -> "Journal":
        """A journal at `path`, or none on disk. Goes on with the run that is there; `fresh`: begins it anew.

        Raises SuiteFault where the run that is there asked something else: it is never written over unasked.
        """
        journal = cls(path, question)
        if path is None:
            return journal
        past = read_run(path) if path.exists() else None
        if past is not None and all(result.certificate is None for result in past.results):
            past = None  # refusals only: it cost nothing, and what was wrong with the question may be mended by now
        if past is not None and not fresh:
            differing = differences(past.question, question)
            if differing:
                raise SuiteFault(
                    f"{path} holds a run that asked something else ({'; '.join(differing)}). Name another file, or say "
                    "--fresh to write over it."
                )
            journal.held = {result.key: result for result in past.results}
        # Written anew, whole lines only: whatever half a line there was is gone, and lines may follow.
        journal._write([] if past is None or fresh else list(past.results))
        return journal

    def add(self, result: Result) -> None:
        """Keep a result at once: from here on an interrupt does not cost it."""
        self.held[result.key] = result
        if self.path is not None:
            with self.path.open("ab") as file:
                file.write(_line(result))

    def finish(self, results: list[Result]) -> None:
        """The file as an undisturbed run leaves it: the clips of the suite, in its order, and no others."""
        self._write(results)

    def _write(self, results: list[Result]) -> None:
        if self.path is None:
            return
        head = json.dumps({FORMAT: VERSION, "question": self.question.model_dump(mode="json")}, ensure_ascii=False)
        beside = self.path.with_name(self.path.name + ".new")
        beside.write_bytes(b"".join([head.encode() + b"\n", *map(_line, results)]))
        beside.replace(self.path)


def differences(past: Question, now: Question) -> list[str]:
    """The fields in which two questions differ, in words."""
    before, after = past.model_dump(), now.model_dump()
    return [f"{name} {before[name]}, now {after[name]}" for name in after if before[name] != after[name]]


def _line(result: Result) -> bytes:
    # Clip names may hold bytes that are no UTF-8: escaped, like everything beyond ASCII.
    return json.dumps(result.model_dump(mode="python", exclude_none=False)).encode() + b"\n"


def _question(line: bytes, path: Path) -> Question:
    try:
        head: Any = json.loads(line)
        if head[FORMAT] != VERSION:
            raise SuiteFault(f"{path} was written by another version of the gate (format {head[FORMAT]}).")
        return Question.model_validate(head["question"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise SuiteFault(f"{path} is no run of this gate.") from error


def _head_begins(data: bytes) -> bool:
    begin = json.dumps({FORMAT: VERSION})[:-1].encode()
    return data.startswith(begin) or begin.startswith(data)
