"""Forms, fields and values as no honest client sends them, to the running service."""

import json
from typing import Any

import httpx
import pytest
from tests.api.attack import (
    AUDIO,
    BOUNDARY,
    FEW,
    GOOD,
    MULTIPART,
    certificate,
    form,
    part,
    post_form,
    problem,
    upload,
)
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


NOT_NUMBERS = ["nan", "inf", "-inf", "Infinity", "abc", "", " ", "0x10", "1,5", "\uff11\uff10", "true", "None", "1e400"]
BOUNDS = {
    "sigma": ("1e-06", "1000"),
    "alpha": ("1e-09", "0.5"),
    "n": ("1", "1,000,000"),
    "n0": ("1", "100,000"),
    "seed": ("0", "9,007,199,254,740,991"),
}
OUTSIDE = {
    "sigma": ["-1", "0", "1e-400", "1000.1", "1000000000000", "9" * 1_000],
    "alpha": ["-1", "0", "1e-400", "0.51", "1", "1000000000000", "9" * 1_000],
    "n": ["-1", "0", "100.5", "1e3", "1000000000000", "9" * 1_000],
    "n0": ["-1", "0", "100.5", "1e3", "1000000000000", "9" * 1_000],
    "seed": ["-1", "0.5", "9007199254740992", "9" * 1_000],
}


@pytest.mark.parametrize("field", BOUNDS)
def test_a_number_outside_its_range_is_refused_with_the_field_and_the_range(service: Service, field: str) -> None:
    low, high = BOUNDS[field]
    with service.client() as client:
        for value in [*NOT_NUMBERS, *OUTSIDE[field]]:
            answer = client.post("/certify", files={"audio": GOOD}, data={field: value})
            refused = problem(answer, 422, "invalid_request")
            [fault] = refused["errors"]
            assert fault["field"] == field, value
            assert fault["message"].endswith(f"between {low} and {high}"), value
            assert refused["detail"] == f"{field}: {fault['message']}"


def test_every_wrong_field_is_named_at_once(service: Service) -> None:
    refused = problem(upload(service, GOOD, sigma="nan", alpha=2, contract="x", loudness=3), 422, "invalid_request")
    assert {fault["field"] for fault in refused["errors"]} == {"sigma", "alpha", "contract", "loudness"}


def test_a_value_of_thousands_of_digits_is_refused(service: Service) -> None:
    assert "maximum size" in problem(upload(service, GOOD, n="9" * 100_000), 400, "bad_request")["detail"]


def test_more_votes_than_this_service_allows_are_refused_with_its_limit(service: Service) -> None:
    assert "1000000" in problem(upload(service, GOOD, n=1_000_001), 422, "invalid_plan")["detail"]


@pytest.mark.parametrize(
    ("fields", "enough"),
    [
        ({"n": 9, "alpha": 0.001}, 10),
        ({"n": 10, "alpha": 0.001, "bound": "multiclass"}, 11),
        ({"n": 1, "alpha": 0.5}, 2),
        ({"n": 29, "alpha": 1e-9}, 30),
    ],
)
def test_a_plan_that_cannot_certify_is_refused_with_the_votes_that_can(
    service: Service, fields: dict[str, Any], enough: int
) -> None:
    refused = problem(upload(service, GOOD, **fields), 422, "impossible_plan")
    assert refused["hint"].endswith(f"at least {enough}.")
    assert upload(service, GOOD, **fields | {"n": enough}).status_code == 200


@pytest.mark.parametrize("name", ["no-such-model", "../../etc/passwd", "A-TINY", "a-tiny ", "\0"])
def test_an_unknown_model_is_refused_with_those_there_are(service: Service, name: str) -> None:
    refused = problem(upload(service, GOOD, model=name), 404, "unknown_model")
    assert "a-tiny" in refused["hint"]
    assert "speech-commands-12" in refused["hint"]


@pytest.mark.parametrize("path", ["no-such-model", "%00", "%ff%fe", "%2e%2e", "x" * 10_000, "%0d%0aX-Injected:%20y"])
def test_an_unknown_address_of_a_model_is_refused_with_those_there_are(service: Service, path: str) -> None:
    with service.client() as client:
        answer = client.get(f"/models/{path}")
    assert "a-tiny" in problem(answer, 404, "unknown_model")["hint"]
    assert "x-injected" not in answer.headers


@pytest.mark.parametrize(
    ("field", "known"),
    [
        ("contract", ["waveform", "feature", "post_processed"]),
        ("transform", ["fixed", "rms", "clip", "peak", "peak_clean"]),
        ("bound", ["clopper_pearson", "multiclass"]),
    ],
)
@pytest.mark.parametrize("value", ["no-such-thing", "", "WAVEFORM", "None"])
def test_an_unknown_choice_is_refused_with_those_there_are(
    service: Service, field: str, known: list[str], value: str
) -> None:
    refused = problem(upload(service, GOOD, **{field: value}), 422, "invalid_request")
    [fault] = refused["errors"]
    assert fault["field"] == field
    assert all(f"'{name}'" in fault["message"] for name in known)


@pytest.mark.parametrize("contract", ["waveform", "feature"])
def test_a_transform_under_a_contract_without_one_is_refused(service: Service, contract: str) -> None:
    answer = upload(service, GOOD, model="speech-commands-12", transform="rms", contract=contract)
    refused = problem(answer, 422, "invalid_plan")
    assert "'rms'" in refused["detail"]
    assert f"'{contract}'" in refused["detail"]
    assert "'post_processed'" in refused["hint"]


@pytest.mark.parametrize("label", ["yes", "class-3", "CLASS-0", ""])
def test_a_label_that_is_no_class_is_refused_with_the_classes(service: Service, label: str) -> None:
    refused = problem(upload(service, GOOD, label=label), 422, "unknown_label")
    assert f"{label!r} is not a class of model 'a-tiny'" in refused["detail"]
    assert "class-0, class-1, class-2" in refused["hint"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_than_post_are_refused_with_the_one_there_is(service: Service, method: str) -> None:
    with service.client() as client:
        answer = client.request(method, "/certify")
    assert answer.headers["allow"] == "POST"
    if method == "HEAD":
        assert (answer.status_code, answer.content) == (405, b"")
        assert answer.headers["content-type"] == "application/problem+json"
    else:
        problem(answer, 405, "method_not_allowed")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/certify/x", "//certify", "/%2e%2e/certify", "/certify%00", "/.git/config"]
)
def test_other_addresses_are_refused(service: Service, path: str) -> None:
    with service.client() as client:
        problem(client.post(path, files={"audio": GOOD}), 404, "not_found")


def test_a_refused_request_leaves_its_connection_usable(service: Service) -> None:
    with service.client() as client:
        refused = client.post("/certify", files={"audio": b"no wav"})
        good = client.post("/certify", files={"audio": GOOD}, data={"n": "200"})
        problem(refused, 415, "unsupported_audio")
        assert "connection" not in refused.headers
        assert good.extensions["network_stream"] is refused.extensions["network_stream"]
    certificate(good)
