"""The targets find what is wrong: with one fault in what it tests, each breaks its promise on its own corpus."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.fuzz.target import Target, target

from soundproof.api import form
from soundproof.api.jobs import clips, manifest, sent, zip_members
from soundproof.audio import wav
from soundproof.client import problem
from soundproof.client.sse import ServerSentEvents
from soundproof.verify import document

Patch = pytest.MonkeyPatch


def reads_24_bits_twice_as_loud(patch: Patch) -> None:
    sound = wav._amplitudes
    patch.setattr(wav, "_amplitudes", lambda body, of: sound(body, of) * (2 if of.bits == 24 else 1))


def reads_behind_the_riff_chunk(patch: Patch) -> None:
    sound = wav._riff_end
    patch.setattr(wav, "_riff_end", lambda view: sound(view) and len(view))


def passes_on_what_a_child_says(patch: Patch) -> None:
    patch.setattr("soundproof.audio.decoder.printable", str)


def decodes_beyond_the_limit(patch: Patch) -> None:
    patch.setattr("soundproof.audio.decode_task.DecodeTask.most_frames", lambda *_: 1 << 40)


def takes_an_error_of_zipfile_for_its_own(patch: Patch) -> None:
    patch.setattr(zip_members, "_DIFFERENT_FROM_ITS_WORD", ())


def takes_an_error_of_zlib_for_its_own(patch: Patch) -> None:
    patch.setattr("soundproof.api.jobs.gunzip.zlib.error", KeyError)


def keeps_hidden_files(patch: Patch) -> None:
    patch.setattr(sent, "hidden", lambda _: False)


def keeps_files_of_any_size(patch: Patch) -> None:
    sound = sent._kept
    patch.setattr(sent, "_kept", lambda name, chunks, section, _: sound(name, chunks, section, 1 << 30))


def takes_any_name(patch: Patch) -> None:
    patch.setattr(manifest, "clip_name", lambda name: name)


def forgets_what_a_job_is_limited_to(patch: Patch) -> None:
    patch.setattr(clips, "validated", lambda given, kind, _, files: form.validated(given, kind, 1 << 60, files))


def takes_names_that_come_twice(patch: Patch) -> None:
    patch.setattr(document, "_object", dict)


def takes_numbers_that_are_none(patch: Patch) -> None:
    patch.setattr(document, "_constant", float)


def lets_a_field_come_twice(patch: Patch) -> None:
    patch.setattr(form, "fault", lambda *_: KeyError())


def finds_no_difference(patch: Patch) -> None:
    patch.setattr("soundproof.api.checks.differences", lambda *_: iter(()))


def says_too_much(patch: Patch) -> None:
    patch.setattr("soundproof.verify.report.MOST_DETAIL", 1 << 20)
    patch.setattr("soundproof.api.checks._NAMED", 1 << 20)


def believes_any_proxy(patch: Patch) -> None:
    def told(body: Any, status: int, retry_after_s: float | None = None) -> problem.ProblemError:
        return problem.ProblemError(status, *(body[name] for name in ("code", "detail", "hint")))

    patch.setattr(problem, "problem_of", told)


def loses_events_that_come_in_pieces(patch: Patch) -> None:
    patch.setattr(ServerSentEvents, "of", lambda _, data: iter(data.split(b"\n\n")[:-1]))


FAULTS: list[tuple[str, Callable[[Patch], None]]] = [
    ("wav", reads_24_bits_twice_as_loud),
    ("wav", reads_behind_the_riff_chunk),
    ("compressed", passes_on_what_a_child_says),
    ("compressed", decodes_beyond_the_limit),
    ("archives", takes_an_error_of_zipfile_for_its_own),
    ("archives", takes_an_error_of_zlib_for_its_own),
    ("archives", keeps_hidden_files),
    ("archives", keeps_files_of_any_size),
    ("manifest", takes_any_name),
    ("manifest", forgets_what_a_job_is_limited_to),
    ("fields", lets_a_field_come_twice),
    ("certificate", takes_names_that_come_twice),
    ("certificate", takes_numbers_that_are_none),
    ("claims", finds_no_difference),
    ("claims", says_too_much),
    ("answers", believes_any_proxy),
    ("answers", loses_events_that_come_in_pieces),
]


@pytest.mark.parametrize(("name", "fault"), FAULTS, ids=lambda each: getattr(each, "__name__", each))
def test_a_service_that_is_wrong_is_found_out(name: str, fault: Callable[[Patch], None], monkeypatch: Patch) -> None:
    chosen = target(name)
    fault(monkeypatch)
    with pytest.raises(BaseException):  # noqa: B017, PT011  (whatever it is: none is raised by a sound one)
        replay(chosen)


def replay(chosen: Target) -> None:
    for path in chosen.inputs:
        chosen.check(path.read_bytes())
