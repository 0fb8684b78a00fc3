"""The model that a gate is about: which it is, and whether it knows the suite's classes."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from soundproof.client.async_client import AsyncClient
from soundproof.client.gate.faults import ServiceFault, SuiteFault
from soundproof.client.gate.question import Question
from soundproof.client.gate.suite import Suite
from soundproof.client.patience import Patience
from soundproof.client.problem import PatienceOver, ProblemError
from soundproof.printable import printable


async def question_for(  # noqa: PLR0913
    client: AsyncClient,
    name: str | None,
    suite: Suite,
    asked: dict[str, Any],
    patience: Patience,
    tell: Callable[[str], None],
) -> Question:
    """What is asked, with the model's own name and digest; `name` None: the service's default.

    Raises SuiteFault for a model that is not there or lacks one of the suite's classes, ServiceFault where the service
    does not answer or cannot serve the model.
    """
    try:
        listed = await patience.of(client.models, tell)
        entry = _entry(listed, name or listed["default"])
    except httpx.UnsupportedProtocol as error:
        raise SuiteFault(f"--url: {error}") from error
    except PatienceOver as error:
        raise ServiceFault(f"{error}") from error
    except (ProblemError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceFault(f"The service does not list its models: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ServiceFault("What answers is not this service: it lists no models.") from error
    _check_labels(suite, entry["manifest"]["classes"], entry["name"])
    return Question(model=entry["name"], model_version=entry["version"], model_digest=entry["digest"], **{**asked})


def _entry(listed: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = next((entry for entry in listed["models"] if entry["name"] == name), None)
    if found is None:
        names = ", ".join(entry["name"] for entry in listed["models"])
        raise SuiteFault(f"The service has no model {name!r}; it has {names}.")
    if found["state"] == "refused" or not found["manifest"]:
        raise ServiceFault(f"The service cannot serve model {name!r}: {found['reason']}")
    return found


def _check_labels(suite: Suite, classes: list[str], model: str) -> None:
    counts = Counter(clip.label for clip in suite.clips)
    unknown = {label: count for label, count in sorted(counts.items()) if label not in classes}
    if unknown:
        named = ", ".join(f"{printable(label)!r} ({count} clips)" for label, count in unknown.items())
        raise SuiteFault(f"Model {model!r} does not know the label {named}. Its classes: {', '.join(classes)}.")
