"""A gate as JUnit XML: the format that every CI system reads.

Two suites: the gate itself, one test case for each thing that can fail it; and the clips, one test case each. A clip
that does not hold is a failure even where the gate passes: the gate asks for a share of them.
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from soundproof.client.gate.decision import Outcome
from soundproof.client.gate.report import Report
from soundproof.client.gate.result import Result, Standing
from soundproof.printable import printable


def junit(report: Report) -> bytes:
    """The document, UTF-8."""
    root = Element("testsuites", name="soundproof gate")
    totals = [_gate(root, report), _clips(root, report)]
    for name, place in (("tests", 0), ("failures", 1), ("errors", 2)):
        root.set(name, str(sum(total[place] for total in totals)))
    root.set("time", _seconds(sum(result.run_s for result in report.results)))
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _gate(root: Element, report: Report) -> tuple[int, int, int]:
    suite = SubElement(root, "testsuite", name="soundproof gate")
    decision, comparison = report.decision, report.comparison
    cases = [(report.measure, decision.outcome.value, decision.outcome is not Outcome.PASS, report.headline)]
    if comparison is not None:
        cases.append(("no regression", "regression", comparison.failed, report.regression))
    failures = 0
    for name, kind, failed, text in cases:
        case = SubElement(suite, "testcase", classname="soundproof.gate", name=name, time="0")
        if failed:
            failures += 1
            _fault(case, "failure", kind, text, "\n".join([text, *report.reasons, *report.claims]))
        else:
            SubElement(case, "system-out").text = "\n".join([text, *report.claims])
    return _counted(suite, len(cases), failures, 0, 0.0)


def _clips(root: Element, report: Report) -> tuple[int, int, int]:
    suite = SubElement(root, "testsuite", name=_text(report.title))
    properties = SubElement(suite, "properties")
    for name, value in report.question.model_dump(exclude_none=True).items():
        SubElement(properties, "property", name=name, value=_text(str(value)))
    failures = errors = 0
    for result in report.results:
        standing = result.standing(report.question)
        case = SubElement(
            suite,
            "testcase",
            classname=_text(f"soundproof.{result.label}"),
            name=_text(result.clip),
            time=_seconds(result.run_s),
        )
        if standing is Standing.REFUSED:
            errors += 1
            _fault(case, "error", result.problem.code if result.problem else "", result.statement, result.statement)
        elif standing is not Standing.HELD:
            failures += 1
            _fault(case, "failure", standing.value, _message(result, standing, report), result.statement)
    return _counted(suite, len(report.results), failures, errors, sum(result.run_s for result in report.results))


def _message(result: Result, standing: Standing, report: Report) -> str:
    if standing is Standing.WRONG:
        return f"certified as {result.answer!r}, but it is {result.label!r}"
    return f"{standing.value} at {report.question.target}"


def _fault(case: Element, tag: str, kind: str, message: str, text: str) -> None:
    SubElement(case, tag, type=_text(kind), message=_text(message)).text = _lines(text)


def _counted(suite: Element, tests: int, failures: int, errors: int, seconds: float) -> tuple[int, int, int]:
    for name, count in (("tests", tests), ("failures", failures), ("errors", errors), ("skipped", 0)):
        suite.set(name, str(count))
    suite.set("time", _seconds(seconds))
    return tests, failures, errors


def _seconds(value: float) -> str:
    return f"{value:.3f}"


def _text(text: str) -> str:
    """XML has no control characters, not even escaped."""
    return printable(text)


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.splitlines()))
