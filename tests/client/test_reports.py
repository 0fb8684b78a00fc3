"""JUnit, Markdown and HTML: read back, and with hostile names nothing but text."""

import base64
import hashlib
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from tests.client.made import CURVE, GATE, report, result, several, tone

from soundproof.client.gate.curve import Curve, Drawing, ticks
from soundproof.client.gate.journal import PastRun
from soundproof.client.gate.junit import junit
from soundproof.client.gate.markdown import escaped, markdown
from soundproof.client.gate.page import page
from soundproof.client.gate.report import Report
from soundproof.client.gate.result import Result, digest_of
from soundproof.client.gate.worst import worst

MIXED = {"certified": 6, "wrong": 1, "refuted": 1, "undecided": 1, "abstained": 1, "refused": 1}
EVIL = "yes/<script>alert(1)</script>\"'&|`*_@all #1\x00\x1b[2J\n]]>.wav"


def mixed(**more: object) -> Report:
    return report(several(**MIXED), **more)  # type: ignore[arg-type]


def test_junit_has_a_case_for_every_clip_and_counts_that_agree() -> None:
    told = mixed()
    root = ElementTree.fromstring(junit(told))  # noqa: S314  (our own document)
    gate, clips = root.findall("testsuite")
    assert root.tag == "testsuites"
    for suite in (gate, clips):
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
        assert suite.attrib["skipped"] == "0"
        float(suite.attrib["time"])
    assert [case.attrib["name"] for case in clips.findall("testcase")] == [r.clip for r in told.results]
    types = [fault.attrib["type"] for fault in clips.findall("testcase/failure")]
    assert types == ["wrong", "refuted", "undecided", "abstained"]
    [error] = clips.findall("testcase/error")
    assert error.attrib["type"] == "malformed_wav"
    [verdict] = gate.findall("testcase/failure")
    assert "6 of 11 clips" in (verdict.text or "")
    totals = {name: sum(int(s.attrib[name]) for s in (gate, clips)) for name in ("tests", "failures", "errors")}
    assert {name: int(root.attrib[name]) for name in totals} == totals


def test_junit_keeps_to_the_schema_that_ci_systems_read() -> None:
    """The elements and attributes of Jenkins' junit-10.xsd, in its order."""
    root = ElementTree.fromstring(junit(mixed(past=PastRun(GATE, tuple(several(certified=9))))))  # noqa: S314
    allowed = {
        "testsuites": {"name", "time", "tests", "failures", "errors"},
        "testsuite": {"name", "tests", "failures", "errors", "time", "skipped"},
        "properties": set(),
        "property": {"name", "value"},
        "testcase": {"name", "time", "classname"},
        "failure": {"message", "type"},
        "error": {"message", "type"},
        "system-out": set(),
    }
    for element in root.iter():
        assert set(element.attrib) <= allowed[element.tag], element.tag
    for suite in root.findall("testsuite"):
        assert [child.tag for child in suite if child.tag != "testcase"] in ([], ["properties"])
        for case in suite.findall("testcase"):
            assert len(case) <= 1
            assert {"name", "classname"} <= set(case.attrib)


def test_a_passed_clip_has_no_failure_and_a_failure_tells_the_statement() -> None:
    root = ElementTree.fromstring(junit(mixed()))  # noqa: S314
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert len(cases["yes/certified-0.wav"]) == 0
    wrong = cases["yes/wrong-0.wav"].find("failure")
    assert wrong is not None
    assert wrong.attrib["message"] == "certified as 'no', but it is 'yes'"
    assert "answers 'no'" in (wrong.text or "")


def test_a_regression_is_a_case_of_its_own() -> None:
    told = report(several(certified=3, refuted=7), past=PastRun(GATE, tuple(_held_before())), least=0.0)
    root = ElementTree.fromstring(junit(told))  # noqa: S314
    failed = [case.attrib["name"] for case in root.findall("testsuite")[0] if case.find("failure") is not None]
    assert failed == ["no regression"]


def _held_before() -> Iterator[Result]:
    for each in several(certified=3, refuted=7):
        yield result(each.clip)


@pytest.mark.parametrize("curve", [False, True])
def test_hostile_names_are_text_in_every_report(curve: bool) -> None:
    bad = result("x").model_copy(update={"clip": EVIL, "label": EVIL})
    made = [bad, result("b.wav", "refused", label=EVIL), result("c.wav", label=EVIL, answer=EVIL, gate=not curve)]
    told = report(
        made,
        question=CURVE if curve else GATE,
        past=PastRun(CURVE if curve else GATE, tuple(several(certified=1) + made)),
    )
    document = page(told, PastRun(CURVE, tuple(made)))
    assert "<script>alert" not in document
    assert "\x1b" not in document
    assert len(re.findall(r"<script", document)) == 1
    root = ElementTree.fromstring(junit(told))  # noqa: S314
    assert any("<script>alert(1)</script>" in case.attrib["name"] for case in root.iter("testcase"))
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown(told))
    assert "<script" not in rendered
    assert "<h1>" not in rendered
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in rendered


@pytest.mark.parametrize(
    "text",
    ["_silence_", "a|b", "<b>", "[x](y)", "`c`", "https://evil.example", "@all", "#12", "$x$", "~~a~~", "1 \\| 2"],
)
def test_markdown_shows_text_as_it_is(text: str) -> None:
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(escaped(text)).strip()
    shown = re.sub("<[^>]*>", "", rendered)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(entity, character)
    assert shown == text
    assert rendered.count("<") == 2  # its paragraph's


def test_markdown_is_readable_and_lists_the_worst_first() -> None:
    told = markdown(mixed())
    assert told.startswith("## ❌ FAIL: speech-commands-12 1\n")
    assert "**6 of 11 clips (54.5 %)" in told
    rows = [line for line in told.split("### The worst clips")[1].splitlines() if line.startswith("| yes/")]
    assert [line.split("|")[3].strip() for line in rows] == ["wrong", "refuted", "abstained", "undecided", "refused"]
    assert markdown(report(several(certified=3))).count("###") == 2


def test_the_worst_are_wrong_then_full_of_errors_and_the_weakest_of_the_good() -> None:
    results = [
        result("weak.wav", snr=69.0, gate=False, errors=9),
        result("good.wav", snr=66.0, gate=False),
        result("far.wav", snr=75.0, gate=False),
        result("wrong.wav", snr=66.0, gate=False, answer="no"),
    ]
    assert [r.clip for r in worst(results, CURVE, 3)] == ["wrong.wav", "far.wav", "weak.wav"]
    assert worst(results, CURVE, 0) == []


class _Page(HTMLParser):
    """Every tag with its attributes; complains of elements that are not closed."""

    VOID = frozenset({"meta", "br", "line", "circle", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(document: str) -> _Page:
    read = _Page()
    read.feed(document)
    read.close()
    assert read.open == []
    return read


def test_the_page_needs_no_other_host_and_allows_only_its_own_script(tmp_path: Path) -> None:
    document = page(_with_audio(tmp_path))
    read = parsed(document)
    for tag, attributes in read.tags:
        assert tag not in ("link", "iframe", "object", "base", "form")
        for name in ("src", "href", "action", "srcset", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
        assert not any(name.startswith("on") for name in attributes)
    assert "http" not in re.sub(r"data:audio/wav;base64,[\w+/=]+", "", document).replace("http-equiv", "")
    script = re.search(r"<script>(.*)</script>", document, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    [policy] = [a["content"] for t, a in read.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in (policy or "")


def _with_audio(root: Path, count: int = 3) -> Report:
    results = []
    for i in range(count):
        audio = tone(200.0 * (i + 1), seconds=0.05)
        (root / f"{i}.wav").write_bytes(audio)
        results.append(result(f"{i}.wav", "refuted").model_copy(update={"audio_sha256": digest_of(audio)}))
    return report(results, root=root)


def test_the_page_holds_the_very_audio_that_was_certified(tmp_path: Path) -> None:
    told = _with_audio(tmp_path)
    sources = [a["src"] or "" for t, a in parsed(page(told)).tags if t == "audio"]
    heard = {digest_of(base64.b64decode(source.partition(",")[2])) for source in sources}
    assert heard == {r.audio_sha256 for r in told.results}
    (tmp_path / "0.wav").write_bytes(tone(999.0, seconds=0.05))  # another sound than the one that was asked about
    assert page(told).count("<audio") == 2
    assert page(told, most_clips=1).count("<article") == 1
    assert "<article" not in page(told, most_clips=0)


def test_the_page_tells_everything_that_a_reader_needs() -> None:
    past = PastRun(GATE, tuple(result(r.clip) for r in several(**MIXED)))
    document = page(mixed(past=past))
    parsed(document)
    for expected in (
        "FAIL",
        "6 of 11 clips",
        "With confidence 95 %",
        GATE.model_digest,
        "0.02, in waveform amplitude at RMS 1",
        "rms to 1",
        "5 clips lost and 0 won of 11 in both runs",
        "Newly lost",
        "certified as",
        "sequential gate",
        "prefers-color-scheme: dark",
        "width=device-width",
    ):
        assert expected in document, expected
    assert "How far it holds" not in document
    assert "How far it holds" in page(report([result("a.wav", gate=False)], question=CURVE))


def test_a_curve_counts_the_clips_that_hold_there() -> None:
    results = [result(f"{snr}.wav", snr=snr, gate=False) for snr in (66.0, 68.0, 68.0 + 1e-9, 75.0)]
    results += [result("wrong.wav", snr=60.0, answer="no", gate=False), result("none.wav", "abstained", gate=False)]
    curve = Curve.of(results, CURVE)
    assert [curve.held(at) for at in (65.9, 66.0, 68.0, 68.1, 75.0, 90.0)] == [0, 1, 2, 3, 4, 4]
    steps = curve.steps(60.0, 80.0)
    assert steps[0] == (80.0, 4 / 6)
    assert steps[-1] == (60.0, 0.0)
    for place, share in steps:
        assert share in (curve.held(place) / 6, curve.held(math.nextafter(place, -math.inf)) / 6)
    assert min(share for _, share in curve.steps(60.0, 80.0, allowance=2)) == 0.0


def test_radii_are_drawn_with_the_strong_side_on_the_right() -> None:
    asked = CURVE.model_copy(update={"at_snr_db": None, "at_radius": 0.02, "curve": False})
    results = [result(f"{snr}.wav", snr=snr, gate=False) for snr in (66.0, 75.0)]
    svg = Drawing(asked, Curve.of(results, asked), None, 0, 0.5).svg()
    ElementTree.fromstring(svg)  # noqa: S314
    assert "l2 radius" in svg
    places = [float(x) for x in re.findall(r'<text class="tick" x="([\d.]+)" y="311.00"', svg)]
    assert places == sorted(places, reverse=True)  # ticks are listed from the strong end


def test_a_curve_of_nothing_is_drawn_all_the_same() -> None:
    for results in ([result("a.wav", "abstained", gate=False)], [result("a.wav", "refused")]):
        ElementTree.fromstring(Drawing(CURVE, Curve.of(results, CURVE), Curve((), 1), 0, 0.9).svg())  # noqa: S314


@pytest.mark.parametrize(("low", "high"), [(55.0, 78.0), (69.9, 70.1), (-1e-3, 0.0), (-60, 200)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 12
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
