"""Plans and facts as JSON, and back. Floats come back exactly: they are written with as many digits as they need."""

from typing import Any

from pydantic import TypeAdapter

from soundproof.audio.facts import ClipFacts
from soundproof.smoothing.plan import Plan
from soundproof.store.schema import Document

_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)
_FACTS: TypeAdapter[ClipFacts] = TypeAdapter(ClipFacts)


def plan_document(plan: Plan) -> Document:
    return _document(_PLAN, plan)


def facts_document(facts: ClipFacts) -> Document:
    return _document(_FACTS, facts)


def plan_of(document: Document) -> Plan:
    """Raises pydantic's ValidationError, a ValueError, or a PlanError for what is no plan of this version."""
    return _PLAN.validate_python(document)


def facts_of(document: Document) -> ClipFacts:
    """Raises pydantic's ValidationError, a ValueError, for what are no facts of this version."""
    return _FACTS.validate_python(document)


def _document(adapter: TypeAdapter[Any], value: Any) -> Document:
    document: Document = adapter.dump_python(value, mode="json")
    return document
