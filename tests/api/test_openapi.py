"""The committed OpenAPI document is the service's own, and tells all of it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import ROOT, Service

from soundproof.api import examples, problems
from soundproof.api.app import create_app
from soundproof.api.fields import CertifyFields
from soundproof.settings import Settings

COMMITTED = json.loads((ROOT / "openapi" / "openapi.json").read_text())
OPERATIONS = [(path, method) for path, methods in COMMITTED["paths"].items() for method in methods]
# A folder that fails its own description is found when it is loaded: a request for it is told model_unavailable.
# The rest are errors about addresses that the document does not have.
# A store is refused when the service starts; a claim is lost by those who work on jobs, who are no callers.
NEVER_OF_AN_OPERATION = {"model_refused", "not_found", "method_not_allowed", "store_refused", "claim_lost"}


def test_the_committed_document_is_what_the_application_describes(models: Any) -> None:
    described = create_app(Settings(models=models)).openapi()
    assert described == COMMITTED, "write it again: soundproof openapi > openapi/openapi.json"


def test_the_running_service_serves_the_committed_document(service: Service) -> None:
    with service.client() as client:
        assert client.get("/openapi.json").json() == COMMITTED


def test_every_error_code_is_described_where_it_can_occur() -> None:
    codes = {error.code for error in problems.TABLE} | {code for code, _, _ in problems.FRAMEWORK.values()}
    described = {
        (int(status), code)
        for path, method in OPERATIONS
        for status, response in COMMITTED["paths"][path][method]["responses"].items()
        if status.isdecimal() and int(status) >= 400
        for code in response["description"].split(", ")
    }
    assert {code for _, code in described} == codes - NEVER_OF_AN_OPERATION
    statuses = {error.code: status for error, (status, _) in problems.TABLE.items()}
    statuses |= {code: status for status, (code, _, _) in problems.FRAMEWORK.items()}
    assert all(statuses[code] == status for status, code in described)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_error_of_every_operation_is_a_problem(path: str, method: str) -> None:
    responses = COMMITTED["paths"][path][method]["responses"]
    assert "default" in responses
    for status, response in responses.items():
        if not status.startswith("2"):
            assert response["content"] == {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}, (
                status
            )


def test_every_field_of_the_form_is_described_with_its_range() -> None:
    form = COMMITTED["paths"]["/certify"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"].keys() == {"audio", *CertifyFields.model_fields}
    assert form["required"] == ["audio"]
    assert form["additionalProperties"] is False
    for name, field in form["properties"].items():
        assert field["description"], name
    bounds = {name: [*found(field, "minimum"), *found(field, "maximum")] for name, field in form["properties"].items()}
    assert bounds["sigma"] == [1e-6, 1e3]
    assert bounds["seed"] == [0, 2**53 - 1]


def found(schema: Any, key: str) -> Iterator[Any]:
    """The values of a key, however deep."""
    if isinstance(schema, dict):
        yield from (value for name, value in schema.items() if name == key)
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from found(each, key)


def test_every_reference_leads_somewhere() -> None:
    references = set(found(COMMITTED, "$ref"))
    assert references
    for reference in references:
        place: Any = COMMITTED
        for step in re.sub("^#/", "", reference).split("/"):
            place = place[step]
        assert place


def test_every_operation_has_a_summary() -> None:
    for path, method in OPERATIONS:
        assert COMMITTED["paths"][path][method]["summary"], path


def test_the_example_is_a_certificate_as_the_service_issues_them(service: Service) -> None:
    example = COMMITTED["paths"]["/certify"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    schema = COMMITTED["components"]["schemas"]["CertifiedCertificate"]
    assert examples.certificate().keys() == schema["properties"].keys()
    # FastAPI leaves nulls out of what it describes: here those of a certificate without a gate.
    assert example.keys() == {key for key, value in examples.certificate().items() if value is not None}
