"""A certificate's content address: the same for the same document through JSON, another after any change."""

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.smoothing.issuing import ABSTAINED, CERTIFIED, CIRCUMSTANCES, FACTS, MANIFEST, SILENT, document, plan_of

from soundproof.audio.facts import ClipFacts
from soundproof.certificate import UNADDRESSED, Certificate, canonical_json, content_id
from soundproof.smoothing.certification import Abstained, Certified
from soundproof.smoothing.issue import issue
from soundproof.smoothing.plan import ContractName, Plan

unhurried = settings(deadline=None, derandomize=True)
ALL_KINDS = [
    (plan_of(contract), facts, outcome)
    for contract in ContractName
    for facts in (FACTS, SILENT)
    for outcome in (CERTIFIED, ABSTAINED)
]


@pytest.mark.parametrize(("plan", "facts", "outcome"), ALL_KINDS)
def test_a_certificate_survives_json(plan: Plan, facts: ClipFacts, outcome: Certified | Abstained) -> None:
    certificate = issue(plan, MANIFEST, facts, outcome, CIRCUMSTANCES)
    schema: TypeAdapter[Any] = TypeAdapter(Certificate)
    assert schema.validate_json(certificate.model_dump_json()) == certificate
    assert schema.validate_json(canonical_json(certificate.model_dump(mode="json"))) == certificate


@pytest.mark.parametrize(("plan", "facts", "outcome"), ALL_KINDS)
def test_the_id_is_the_address_of_the_document(plan: Plan, facts: ClipFacts, outcome: Certified | Abstained) -> None:
    found = document(plan, facts, outcome)
    assert found["certificate_id"] == content_id(found)
    assert document(plan, facts, outcome)["certificate_id"] == found["certificate_id"]


@unhurried
@given(st.randoms(use_true_random=False))
def test_the_id_does_not_depend_on_the_order_of_keys(random: Any) -> None:
    def shuffled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: shuffled(part[key]) for key in random.sample(list(part), len(part))}
        return part

    found = document()
    reordered = json.loads(json.dumps(shuffled(found), indent=random.choice([None, 2])))
    assert content_id(reordered) == found["certificate_id"]


def leaves(part: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all values that hold no others."""
    inner = list(part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ())
    if not inner:
        yield path
    for key, value in inner:
        yield from leaves(value, (*path, key))


def altered(value: Any) -> Any:
    """The smallest change there is."""
    match value:
        case bool():
            return not value
        case float():
            return math.nextafter(value, math.inf)
        case int():
            return value + 1
        case str():
            return value + " "
        case _:
            return "something"


@pytest.mark.parametrize("path", list(leaves(document())), ids=lambda path: ".".join(map(str, path)))
def test_any_change_of_an_addressed_value_changes_the_id(path: tuple[str | int, ...]) -> None:
    found = document()
    tampered = copy.deepcopy(found)
    part: Any = tampered
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = altered(part[path[-1]])
    assert tampered != found
    assert (content_id(tampered) == content_id(found)) is (path[0] in UNADDRESSED)


def test_only_what_two_runs_may_differ_in_is_left_out_of_the_id() -> None:
    assert set(UNADDRESSED) == {"certificate_id", "created_at", "service_version", "compute", "signature"}
    found = document()
    assert content_id({key: value for key, value in found.items() if key not in UNADDRESSED}) == content_id(found)
    slower = replace(CIRCUMSTANCES, compute=CIRCUMSTANCES.compute.model_copy(update={"device": "cuda:0", "run_s": 9.0}))
    assert document(circumstances=slower)["certificate_id"] == found["certificate_id"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_know_has_no_address(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_id(document() | {"radius": value})
