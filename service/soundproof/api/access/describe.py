"""What the OpenAPI document says about keys."""

from typing import Any

from soundproof.api.access.addresses import ADDRESSES, ANYBODY
from soundproof.api.problems import problem_of

SCHEME = "apiKey"
_SCHEME: dict[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "sp_ and 43 characters",
    "description": "Where the service has keys (docs/access.md), each operation takes one with the scope that is named "
    "there. A service without keys ignores it.",
}


def describe(document: dict[str, Any]) -> None:
    """Add to an OpenAPI document the scheme, and to each operation its scope and what whoever lacks it is answered.
    Access is optional there, since the document is the same for a service without keys."""
    document.setdefault("components", {}).setdefault("securitySchemes", {})[SCHEME] = _SCHEME
    for address in ADDRESSES:
        operation = document["paths"].get(address.path, {}).get(address.method.lower())
        if operation is None:
            continue
        if address.scope is ANYBODY:
            operation["security"] = []
            continue
        operation["security"] = [{SCHEME: [address.scope.value]}, {}]
        refusals: dict[str, Any] = {"401": problem_of("unauthenticated")}
        refusals["403"] = operation["responses"].get("403", problem_of("forbidden"))
        operation["responses"] = dict(sorted((operation["responses"] | refusals).items()))
