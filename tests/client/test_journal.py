"""The JSONL: whole lines, one question, and a run that goes on."""

import json
from pathlib import Path

import pytest
from tests.client.made import CURVE, GATE, result, several

from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.journal import Journal, read_run


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    results = [*several(certified=2, wrong=1, refuted=1, refused=1), result("café.wav", fields={"sigma": 0.5})]
    journal = Journal.opened(tmp_path / "run.jsonl", GATE)
    for each in results:
        journal.add(each)
    past = read_run(tmp_path / "run.jsonl")
    assert past is not None
    assert past.question == GATE
    assert list(past.results) == results


def test_half_a_line_is_dropped_and_the_run_goes_on_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    one, two, three = several(certified=3)
    journal = Journal.opened(path, GATE)
    journal.add(one)
    journal.add(two)
    path.write_bytes(path.read_bytes()[:-40])
    again = Journal.opened(path, GATE)
    assert set(again.held) == {one.key}
    again.add(three)
    past = read_run(path)
    assert past is not None
    assert list(past.results) == [one, three]


@pytest.mark.parametrize("kept", [0, 1, 20])
def test_half_a_first_line_is_no_run_yet(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "run.jsonl"
    Journal.opened(path, GATE)
    path.write_bytes(path.read_bytes()[:kept])
    assert read_run(path) is None
    assert Journal.opened(path, CURVE).held == {}


def test_a_run_that_asked_something_else_is_not_written_over_unasked(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    Journal.opened(path, GATE).add(result("a.wav"))
    before = path.read_bytes()
    other = GATE.model_copy(update={"model_digest": "f" * 64, "sigma": 0.5})
    with pytest.raises(SuiteFault, match=r"model_digest .*, now f{64}; sigma None, now 0\.5.*--fresh"):
        Journal.opened(path, other)
    assert path.read_bytes() == before
    assert Journal.opened(path, other, fresh=True).held == {}


def test_a_run_of_refusals_only_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    Journal.opened(path, GATE).add(result("a.wav", "refused"))
    assert Journal.opened(path, CURVE).held == {}


@pytest.mark.parametrize("text", ["hello\n", "{}\n", "[]\n", "hello", '{"soundproof_gate": 1}\n'])
def test_a_file_that_is_no_run_is_left_alone_even_with_fresh(tmp_path: Path, text: str) -> None:
    path = tmp_path / "thesis.jsonl"
    path.write_text(text)
    with pytest.raises(SuiteFault, match="no run of this gate"):
        Journal.opened(path, GATE, fresh=True)
    assert path.read_text() == text


def test_a_run_of_another_format_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text('{"soundproof_gate": 99, "question": {}}\n')
    with pytest.raises(SuiteFault, match="another version of the gate"):
        read_run(tmp_path / "run.jsonl")


def test_a_damaged_line_in_the_middle_is_an_error_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    Journal.opened(path, GATE).add(result("a.wav"))
    path.write_text(path.read_text() + '{"clip": "b.wav"}\n')
    with pytest.raises(SuiteFault, match="line 3: not a clip's result"):
        read_run(path)


def test_a_finished_run_has_the_suites_clips_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    one, two, gone = several(certified=3)
    journal = Journal.opened(path, GATE)
    for each in (gone, two, one):
        journal.add(each)
    journal.finish([one, two])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["clip"] for line in lines[1:]] == [one.clip, two.clip]


def test_a_certificate_of_another_version_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    made = result("a.wav")
    assert made.certificate is not None
    del made.certificate["diagnostics"]
    made.certificate["something_new"] = 1
    Journal.opened(path, GATE).add(made)
    past = read_run(path)
    assert past is not None
    assert past.results[0].certificate == made.certificate


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal.opened(None, GATE)
    journal.add(result("a.wav"))
    journal.finish([result("a.wav")])
    assert list(tmp_path.iterdir()) == []
