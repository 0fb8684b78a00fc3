"""Forms as no honest client sends them, to the running service."""

import json

import httpx
import pytest
from tests.api.attack import AUDIO, BOUNDARY, FEW, GOOD, MULTIPART, certificate, form, part, post_form, problem
from tests.conftest import Service

from soundproof.api.fields import CertifyFields

pytestmark = pytest.mark.usefixtures("unharmed")


def post(service: Service, *parts: bytes, content_type: str = MULTIPART) -> httpx.Response:
    return post_form(service, form(*parts), content_type)


def test_a_second_audio_part_is_refused_by_name(service: Service) -> None:
    refused = problem(post(service, AUDIO, AUDIO), 422, "invalid_request")
    assert refused["errors"] == [{"field": "audio", "message": "may be given once only"}]
    assert "Too many files" in problem(post(service, AUDIO, AUDIO, AUDIO), 400, "bad_request")["detail"]


def test_a_form_without_audio_is_refused(service: Service) -> None:
    refused = problem(post(service, FEW), 422, "invalid_request")
    assert refused["errors"] == [{"field": "audio", "message": "a file part is required"}]


def test_audio_as_a_text_field_is_refused(service: Service) -> None:
    refused = problem(post(service, part("audio", "hello"), FEW), 422, "invalid_request")
    assert [fault["field"] for fault in refused["errors"]] == ["audio"]
    assert "file part" in refused["detail"]


def test_a_text_field_as_a_file_is_refused(service: Service) -> None:
    refused = problem(post(service, AUDIO, part("sigma", b"0.1", "sigma.txt")), 422, "invalid_request")
    assert refused["errors"] == [{"field": "sigma", "message": "must be a text field, not a file"}]


@pytest.mark.parametrize("field", ["sigma", "n", "label", "target_snr_db"])
def test_a_repeated_field_is_refused_by_name(service: Service, field: str) -> None:
    refused = problem(post(service, AUDIO, part(field, "1"), part(field, "1")), 422, "invalid_request")
    assert refused["errors"] == [{"field": field, "message": "may be given once only"}]


@pytest.mark.parametrize("field", ["target_snr", "Sigma", "sigma ", "n[]", "constructor", "a\0b", "", "é" * 500])
def test_an_unknown_field_is_refused_by_name_with_those_there_are(service: Service, field: str) -> None:
    refused = problem(post(service, AUDIO, FEW, part(field, "30")), 422, "invalid_request")
    [fault] = refused["errors"]
    assert fault["field"] == (field or "body")
    assert f"audio, {', '.join(CertifyFields.model_fields)}" in fault["message"]


def test_10_000_fields_are_refused(service: Service) -> None:
    fields = [part(f"field-{i}", "x") for i in range(10_000)]
    assert "Too many fields" in problem(post(service, AUDIO, *fields), 400, "bad_request")["detail"]


@pytest.mark.parametrize(
    ("size", "status", "code", "reason"),
    [
        (2_000, 400, "bad_request", "maximum size of 1KB"),
        (10_000_000, 413, "body_too_large", "larger than 8,388,608 bytes"),
    ],
)
def test_a_text_field_of_many_bytes_is_refused(
    service: Service, size: int, status: int, code: str, reason: str
) -> None:
    assert reason in problem(post(service, AUDIO, part("label", "x" * size)), status, code)["detail"]


@pytest.mark.parametrize(
    "headers",
    [b"X-Header: " + b"x" * 100_000, b"\r\n".join(b"X-%d: x" % i for i in range(1_000)), b"no header", b"\xff: \xff"],
    ids=["long", "many", "none", "not ASCII"],
)
def test_parts_with_headers_out_of_bounds_are_refused(service: Service, headers: bytes) -> None:
    problem(post(service, AUDIO, headers + b"\r\n" + FEW), 400, "bad_request")


@pytest.mark.parametrize("disposition", [b"form-data", b"attachment", b"\0", b""])
def test_a_part_without_a_name_is_refused(service: Service, disposition: bytes) -> None:
    nameless = b"Content-Disposition: " + disposition + b"\r\n\r\nvalue"
    assert "name" in problem(post(service, AUDIO, nameless), 400, "bad_request")["detail"]


def test_a_form_cut_anywhere_is_refused_and_never_taken_for_another_one(service: Service) -> None:
    whole = form(AUDIO, part("sigma", "0.01"), part("n", "12345"))
    with service.client() as client:
        for kept in [*range(0, len(whole) - 150, 97), *range(len(whole) - 150, len(whole) - 2)]:
            answer = client.post("/certify", content=whole[:kept], headers={"Content-Type": MULTIPART})
            assert "closing boundary" in problem(answer, 400, "bad_request")["detail"]


@pytest.mark.parametrize(
    ("content_type", "reason"),
    [
        ("multipart/form-data", "Missing boundary"),
        ("multipart/form-data; boundary=", "Invalid multipart"),
        ('multipart/form-data; boundary=""', "Invalid multipart"),
        ("multipart/form-data; boundary=another", "Invalid multipart"),
        ("multipart/form-data; boundary=" + "b" * 1_000, "Invalid multipart"),
        ("multipart/form-data; boundary*=utf-8''boundary", "Missing boundary"),
        ("multipart/form-data; boundary=boundary; boundary=another", "Invalid multipart"),
    ],
)
def test_a_wrong_boundary_is_refused(service: Service, content_type: str, reason: str) -> None:
    assert reason in problem(post(service, AUDIO, FEW, content_type=content_type), 400, "bad_request")["detail"]


@pytest.mark.parametrize("charset", ["undefined", "idna", "punycode", "utf-16", "utf-7", "raw_unicode_escape", "zlib"])
def test_a_form_in_another_charset_than_utf_8_is_refused_by_its_name(service: Service, charset: str) -> None:
    content_type = f"multipart/form-data; charset={charset}; boundary={BOUNDARY.decode()}"
    for fields in ([FEW], [part("label", b"\\ud800\xff")], [part("\\ud800", "x")]):
        refused = problem(post(service, AUDIO, *fields, content_type=content_type), 415, "unsupported_media_type")
        assert charset in refused["detail"]


def test_a_form_that_says_it_is_utf_8_is_read(service: Service) -> None:
    plain = certificate(post(service, AUDIO, FEW))["certificate_id"]
    content_type = f"Multipart/Form-Data; Charset=UTF-8; boundary={BOUNDARY.decode()}"
    assert certificate(post(service, AUDIO, FEW, content_type=content_type))["certificate_id"] == plain


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xed\xa0\x80", "\0", "💥", "'; DROP TABLE--", "{{7*7}}", "\r\nX: y"])
def test_text_of_any_bytes_is_at_most_no_label_of_the_model(service: Service, value: bytes | str) -> None:
    refused = problem(post(service, AUDIO, FEW, part("label", value)), 422, "unknown_label")
    assert "class-0, class-1, class-2" in refused["hint"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, form(AUDIO, FEW)),
        ("", form(AUDIO, FEW)),
        ("application/json", json.dumps({"audio": "yes.wav"}).encode()),
        ("application/x-www-form-urlencoded", b"audio=yes.wav&n=200"),
        ("multipart/mixed; boundary=boundary", form(AUDIO, FEW)),
        ("multipart/form-data-x; boundary=boundary", form(AUDIO, FEW)),
        ("audio/wav", GOOD),
        ("text/plain", b""),
    ],
)
def test_a_body_of_another_type_is_refused_naming_both(service: Service, content_type: str | None, body: bytes) -> None:
    with service.client() as client:
        headers = {} if content_type is None else {"Content-Type": content_type}
        refused = problem(client.post("/certify", content=body, headers=headers), 415, "unsupported_media_type")
    assert "not multipart/form-data" in refused["detail"]
    assert (content_type or "of no stated type") in refused["detail"]


def test_no_body_at_all_is_refused(service: Service) -> None:
    with service.client() as client:
        problem(client.post("/certify"), 415, "unsupported_media_type")
        problem(client.post("/certify", headers={"Content-Type": MULTIPART}), 400, "bad_request")
