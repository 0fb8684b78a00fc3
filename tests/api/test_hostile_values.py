"""Values that are out of range or unknown, sent to the running service: each refusal says what there is."""

from typing import Any

import pytest
from tests.api.attack import GOOD, problem, upload
from tests.conftest import Service

pytestmark = pytest.mark.usefixtures("unharmed")

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
