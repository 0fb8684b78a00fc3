"""Suites on disk: what is read, in which order, and what is refused with which words."""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.client.made import tone
from tests.conftest import ROOT

from soundproof.client.gate.choice import Choice
from soundproof.client.gate.faults import SuiteFault
from soundproof.client.gate.suite import Clip, Suite, read_suite

DATA = ROOT.parent / "shared" / "data"


def folder(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tone(seconds=0.01))
    return root


def listed(root: Path, text: str, name: str = "manifest.csv") -> Path:
    (root / name).write_text(text)
    return root / name


def test_a_folder_by_class_is_read_in_one_order_and_without_the_systems_files(tmp_path: Path) -> None:
    folder(tmp_path, "yes/b.wav", "yes/a.WAV", "no/deep/c.wav", "_silence_/x.wav", ".cache/y.wav", "yes/._a.wav")
    (tmp_path / "yes" / "notes.txt").write_text("not audio")
    assert [(clip.name, clip.label) for clip in read_suite(tmp_path).clips] == [
        ("_silence_/x.wav", "_silence_"),
        ("no/deep/c.wav", "no"),
        ("yes/a.WAV", "yes"),
        ("yes/b.wav", "yes"),
    ]


def test_a_csv_and_a_jsonl_manifest_say_the_same(tmp_path: Path) -> None:
    folder(tmp_path, "clips/a.wav", "clips/b.wav")
    rows = [{"path": "clips/b.wav", "label": "no", "sigma": 0.1, "n": 500}, {"path": "clips/a.wav", "label": "yes"}]
    csv = listed(
        tmp_path, "\ufeffpath,label,sigma,n,mood\nclips/b.wav,no,0.1,500,glad\nclips/a.wav,yes,,,\n", "one.csv"
    )
    jsonl = listed(tmp_path, "\n".join(map(json.dumps, rows)) + "\n\n", "two.jsonl")
    assert read_suite(csv) == read_suite(jsonl)
    first, second = read_suite(csv).clips
    assert (first.name, first.label, first.fields) == ("clips/b.wav", "no", {"sigma": 0.1, "n": 500})
    assert second.fields == {}


def test_a_data_set_asks_for_its_split(tmp_path: Path) -> None:
    folder(tmp_path, "a.wav", "b.wav", "c.wav")
    listed(tmp_path, "path,label,split,samples\na.wav,x,train,1\nb.wav,x,test,1\nc.wav,y,test,1\n")
    with pytest.raises(SuiteFault, match=r"test \(2\), train \(1\).*--split all"):
        read_suite(tmp_path)
    assert [clip.name for clip in read_suite(tmp_path, "test").clips] == ["b.wav", "c.wav"]
    assert len(read_suite(tmp_path, "all").clips) == 3
    with pytest.raises(SuiteFault, match="no split 'dev'"):
        read_suite(tmp_path, "dev")


@pytest.mark.parametrize(
    ("name", "split", "count", "classes"), [("speech_commands", "test", 1056, 12), ("esc10", "1", 80, 10)]
)
def test_the_projects_data_sets_are_read(name: str, split: str, count: int, classes: int) -> None:
    if not (DATA / name).is_dir():
        pytest.skip("needs the data set")
    suite = read_suite(DATA / name, split)
    assert (len(suite.clips), len(suite.labels)) == (count, classes)


@pytest.mark.parametrize(
    "path", ["../secret.wav", "/etc/secret.wav", "a/../../secret.wav", "..\\secret.wav", "C:/secret.wav", "link.wav"]
)
def test_no_manifest_leads_out_of_its_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.wav").write_bytes(tone(seconds=0.01))
    suite = folder(tmp_path / "suite", "a/fine.wav")
    (suite / "link.wav").symlink_to(tmp_path / "secret.wav")
    manifest = listed(suite, json.dumps({"path": path, "label": "yes"}), "m.jsonl")
    with pytest.raises(SuiteFault, match="leaves the suite's folder"):
        read_suite(manifest)


def test_a_name_that_is_not_utf_8_is_refused_in_words(tmp_path: Path) -> None:
    folder(tmp_path, "yes/a.wav")
    (tmp_path / "yes" / "caf\udce9.wav").write_bytes(tone(seconds=0.01))
    with pytest.raises(SuiteFault, match="is not UTF-8"):
        read_suite(tmp_path)


def test_no_link_in_a_class_folder_leads_out_of_the_suite(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(tone(seconds=0.01))
    suite = folder(tmp_path / "suite", "yes/a.wav")
    (suite / "yes" / "b.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(SuiteFault, match="leaves the suite's folder"):
        read_suite(suite)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n", "lists no clip"),
        ("file,class\na.wav,x\n", "columns path and label"),
        ("path,label\na.wav,\n", "line 2: every clip needs a path and a label"),
        ("path,label\na.wav,x\na.wav,x\n", "a.wav more than once"),
        ("path,label\ngone.wav,x\na.wav,x\n", r"1 of 2 clips .* gone.wav"),
        ("path,label,sigma\na.wav,x,loud\n", "sigma is 'loud', not a number"),
        ("path,label,alpha\na.wav,x,0.1\n", "alpha is asked of the whole suite"),
        ("path,label,contract\na.wav,x,feature\n", "contract is asked of the whole suite"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    folder(tmp_path, "a.wav")
    with pytest.raises(SuiteFault, match=message):
        read_suite(listed(tmp_path, text))


@pytest.mark.parametrize("text", ['{"path": "a.wav"', "[1]", '{"path": 1, "label": "x"}'])
def test_a_jsonl_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    folder(tmp_path, "a.wav")
    with pytest.raises(SuiteFault, match="line 1"):
        read_suite(listed(tmp_path, text + "\n", "m.jsonl"))


def test_what_is_no_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteFault, match="is not there"):
        read_suite(tmp_path / "none")
    with pytest.raises(SuiteFault, match="no audio"):
        read_suite(tmp_path)
    with pytest.raises(SuiteFault, match="neither a folder nor a manifest"):
        read_suite(folder(tmp_path, "x/a.wav") / "x" / "a.wav")
    with pytest.raises(SuiteFault, match="chooses nothing"):
        read_suite(tmp_path, "test")
    with pytest.raises(SuiteFault, match=r"b\.wav .* in no class's folder"):
        read_suite(folder(tmp_path, "b.wav"))


MANY = Suite(tuple(Clip(f"{label}/{i}.wav", Path(), label) for label in ("a", "b", "c") for i in range(40)))


def test_a_choice_is_the_same_every_time_and_another_by_another_seed() -> None:
    chosen = Choice(per_class=5).of(MANY)
    assert chosen == Choice(per_class=5).of(MANY)
    assert Counter(clip.label for clip in chosen.clips) == {"a": 5, "b": 5, "c": 5}
    assert [clip for clip in MANY.clips if clip in chosen.clips] == list(chosen.clips)  # in the suite's order
    other = Choice(per_class=5, seed=1).of(MANY)
    assert {clip.name for clip in other.clips} != {clip.name for clip in chosen.clips}
    assert "15 of the suite's 120 clips, at most 5 of each class" in chosen.chosen
    assert "choice seed 0" in chosen.chosen


def test_a_choice_does_not_move_when_other_clips_come() -> None:
    fewer = Suite(MANY.clips[:100])
    both = {clip.name for clip in Choice(limit=20).of(MANY).clips} & {clip.name for clip in fewer.clips}
    assert both <= {clip.name for clip in Choice(limit=20).of(fewer).clips}


def test_both_limits_hold_and_none_changes_nothing() -> None:
    assert len(Choice(per_class=5, limit=7).of(MANY).clips) == 7
    assert Choice().of(MANY) is MANY
    with pytest.raises(SuiteFault, match="leaves no clip"):
        Choice(limit=0).of(MANY)
