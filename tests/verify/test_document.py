"""Certificates as no service writes them are read to a clean end."""

import json
import time

import pytest
from tests.verify.certificates import altered, as_bytes, made

from soundproof.verify.document import MOST_BYTES, UnreadableDocument, read

GOOD = as_bytes(made())


def replaced(old: str, new: str) -> bytes:
    assert old.encode() in GOOD
    return GOOD.replace(old.encode(), new.encode(), 1)


def test_a_certificate_passes_and_its_address_is_its_id() -> None:
    assert read(GOOD).check().result == "passed"


def test_spaces_order_and_the_way_a_whole_float_is_written_do_not_matter() -> None:
    parsed = json.loads(GOOD)
    other = json.dumps(dict(reversed(parsed.items())), indent=3).replace('"target": 1.0', '"target": 1')
    assert '"target": 1,' in other
    assert read(other.encode()).check().result == "passed"
    assert read(b"\xef\xbb\xbf" + GOOD).check().result == "passed"


def test_a_certificate_from_before_there_were_signatures_is_read() -> None:
    parsed = json.loads(GOOD)
    del parsed["signature"]
    assert read(as_bytes(parsed)).check().result == "passed"


def test_an_id_that_is_not_the_contents_address_fails() -> None:
    check = read(as_bytes(altered(made(), {"certificate_id": "sha256:" + 64 * "0"}))).check()
    assert check.result == "failed"
    assert made()["certificate_id"] in check.detail


def test_a_changed_value_under_the_old_id_fails() -> None:
    changed = made() | {"radius": 1.0}
    assert read(as_bytes(changed)).check().result == "failed"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 500_000, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b'{"schema_version":"1","a":' + b"[" * 500_000, "nested"),
        (b"{}", "schema_version is None"),
        (b'{"schema_version": "2"}', "schema_version is '2'"),
        (b'{"schema_version": {"a": []}}', "schema_version is no text"),
        (b'{"schema_version": "' + b"9" * 1_000_000 + b'"}', "schema_version is '999"),
        (GOOD + b" " * MOST_BYTES, "more than 1,048,576 bytes"),
        (replaced('"n0": 100', '"n0": NaN'), "NaN"),
        (replaced('"n0": 100', '"n0": -Infinity'), "-Infinity"),
        (replaced('"queue_s": 0.1', '"queue_s": 1e999'), "beyond all floats"),
        (replaced('"n0": 100', '"n0": 1' + "0" * 100_000), "100001 digits"),
        (replaced('"n0": 100', '"n0": "100"'), "sampling.n0"),
        (replaced('"n0": 100', '"n0": 100.0'), "sampling.n0"),
        (replaced('"n0": 100', '"n0": true'), "sampling.n0"),
        (replaced('"n0": 100', '"n0": null'), "sampling.n0"),
        (replaced('"n0": 100', '"n0": 100, "n0": 101'), "comes twice"),
        (replaced('"n0": 100', '"n0": 100, "free": 1'), "sampling.free"),
        (replaced('"n0": 100', '"n0": 100, "' + "x" * 100_000 + '": 1'), "sampling.xxx"),
        (replaced('"n0": 100, ', ""), "sampling.n0: Field required"),
        (replaced('"outcome": "certified"', '"outcome": "abstained"'), "no certificate"),
        (replaced('"outcome": "certified"', '"outcome": "granted"'), "no certificate"),
        (replaced('"distribution": "gaussian", ', ""), "leaves out"),
        (replaced("With confidence", "\\ud800 With confidence"), "not Unicode"),
        (replaced('"signature": null', '"signature": {"algorithm": "none", "key_id": "", "value": ""}'), "signature"),
    ],
    ids=range(29),
)
def test_what_is_no_certificate_is_said_in_a_short_sentence_and_at_once(data: bytes, reason: str) -> None:
    started = time.monotonic()
    with pytest.raises(UnreadableDocument, match=reason) as refused:
        read(data)
    assert time.monotonic() - started < 2
    assert len(str(refused.value)) < 1000


def test_whatever_a_document_says_a_report_is_printable_and_short() -> None:
    hostile = made(statement="\x1b[2J" + "x" * 500_000, label="\x07" * 1000)
    check = read(as_bytes(hostile))
    from soundproof.verify.offline import verify_offline  # noqa: PLC0415

    report = verify_offline(as_bytes(hostile), b"")
    assert check.check().result == "passed"
    assert "\x1b" not in report.model_dump_json()
    assert len(report.model_dump_json()) < 20_000
