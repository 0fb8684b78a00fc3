"""Reads a certificate from bytes that anybody may have written."""

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from soundproof.certificate import AbstainedCertificate, Certificate, CertifiedCertificate, content_id
from soundproof.verify.report import Check

# Ten thousand classes with long names and votes take less.
MOST_BYTES = 1 << 20
# Digits of a whole number: more than any count, seed or size has.
_MOST_DIGITS = 20
_MOST_FAULTS = 3

_CERTIFICATE: TypeAdapter[CertifiedCertificate | AbstainedCertificate] = TypeAdapter(Certificate)


@dataclass(frozen=True)
class Document:
    """A certificate that has the form of one. Nothing else about it has been checked."""

    certificate: CertifiedCertificate | AbstainedCertificate

    @cached_property
    def content(self) -> dict[str, Any]:
        """As JSON, each number in the type that the schema gives it: 1 and 1.0 are the same document."""
        content: dict[str, Any] = self.certificate.model_dump(mode="json")
        return content

    @cached_property
    def address(self) -> str:
        """What its certificate_id has to be."""
        return content_id(self.content)

    def check(self) -> Check:
        stated = self.certificate.certificate_id
        if stated != self.address:
            return Check.of(
                "document",
                "failed",
                f"The certificate_id is {stated}, but the content's address is {self.address}: it was changed.",
            )
        return Check.of(
            "document", "passed", "It is a certificate of schema version 1, and its id is its content's address."
        )


class UnreadableDocument(Exception):
    """`str` says why it is no certificate."""


def read(data: bytes) -> Document:
    """A certificate from its JSON. UnreadableDocument for everything else, in bounded time and memory."""
    if len(data) > MOST_BYTES:
        raise UnreadableDocument(f"It has more than {MOST_BYTES:,} bytes, which no certificate has.")
    try:
        raw = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_object,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_constant,
        )
    except RecursionError:
        raise UnreadableDocument("It is nested far deeper than a certificate.") from None
    except UnicodeDecodeError:
        raise UnreadableDocument("It is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise UnreadableDocument(f"It is not JSON ({error.msg}, line {error.lineno}).") from None
    if not isinstance(raw, dict):
        raise UnreadableDocument("It is not a JSON object.")
    version = raw.get("schema_version")
    if version != "1":
        raise UnreadableDocument(f"Its schema_version is {_shown(version)}; this version reads '1'.")
    try:
        document = Document(_CERTIFICATE.validate_python(raw, strict=True))
    except ValidationError as error:
        raise UnreadableDocument(_faults(error)) from None
    if document.content != {"signature": None} | raw:
        raise UnreadableDocument("It leaves out parts that every certificate has, or has empty ones that none has.")
    try:
        document.address  # noqa: B018  (half of a surrogate pair has no UTF-8, hence no address)
    except UnicodeEncodeError:
        raise UnreadableDocument("It has text that is not Unicode.") from None
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that comes twice would be one thing to one reader and another to the next."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnreadableDocument("A name comes twice in one of its objects.")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise UnreadableDocument(f"It has a whole number of {len(digits)} digits.")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise UnreadableDocument("It has a number beyond all floats.")
    return value


def _constant(name: str) -> NoReturn:
    raise UnreadableDocument(f"It has {name}, which is not JSON.")


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    named = [
        f"{'.'.join(str(part)[:60] for part in fault['loc'][1:]) or 'content'}: {fault['msg']}" for fault in faults
    ]
    more = f"; and {len(named) - _MOST_FAULTS} more" if len(named) > _MOST_FAULTS else ""
    return f"It is no certificate: {'; '.join(each[:200] for each in named[:_MOST_FAULTS])}{more}."


def _shown(value: Any) -> str:
    return repr(value)[:40] if isinstance(value, str | int | float | None) else "no text"
