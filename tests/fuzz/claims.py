"""POST /verify with certificates that have the form of one and claim what they like.

An input is the alterations of a sound certificate: the first byte chooses it, then each three which of its values
becomes what. It is sent under the address of its new content, as a careful forger would. Votes that are drawn again are
made up (tests/fuzz/sound_claims.py); all else is the service's own.
"""

import asyncio
import copy
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from starlette.datastructures import UploadFile
from tests.fuzz.sound_claims import CLIP, MadeUpVotes, sound
from tests.smoothing.issuing import MANIFEST

from soundproof.api.catalog import Catalog, Entry
from soundproof.api.form import Form
from soundproof.api.metrics import Metrics
from soundproof.api.uploads import Uploads
from soundproof.api.verifier import Verifier
from soundproof.api.verify_fields import VerifyFields
from soundproof.certificate import content_id
from soundproof.engine.protocol import Source
from soundproof.verify.report import NAMES, Report

MOST_REPORT_CHARACTERS = 20_000
WORDS = ()
NUMBERS = (0, 1, -1, 2, 99, 101, 10**6, 10**7, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**19)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-9, 5e-324, 1e-300, 1e300, 1.7e308, -1.7e308, 0.02, 70.0, 2.0**53)
TEXTS = ("", "x", "yes", "\0", "\x1b[2J", "\u202e", "\uffff", "é" * 300, "x" * 100_000, "float32", "feature", "1e9")
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [0], [0, 0, 0], [10**19] * 3, [0] * 20_000)
VALUES: tuple[Any, ...] = NUMBERS + FLOATS + TEXTS + OTHERS

Path_ = tuple[str | int, ...]


def check(data: bytes) -> None:
    """Whatever a certificate claims there is a report: short, printable, of all checks, the same every time but for
    nothing; and it passes only where every claim that follows from the counts is unaltered."""
    if not data:
        return
    original = sound()[data[0] % len(sound())]
    forged = altered(original, data[1:])
    report = verified(original, forged)
    assert report == verified(original, forged), "another answer the second time"
    assert [each.name for each in report.checks] == list(NAMES)
    text = report.model_dump_json()
    assert text.isprintable()
    assert len(text) < MOST_REPORT_CHARACTERS
    if report.result == "passed":
        assert _claims(forged) == _claims(original), "an altered claim has passed"


def altered(original: dict[str, Any], changes: bytes) -> bytes:
    """The certificate's JSON after these changes."""
    forged = copy.deepcopy(original)
    altered_places = list(places(original))
    for at in range(0, len(changes) - 2, 3):
        place = altered_places[int.from_bytes(changes[at : at + 2], "little") % len(altered_places)]
        _set(forged, place, VALUES[changes[at + 2] % len(VALUES)])
    forged["certificate_id"] = content_id(forged)
    return json.dumps(forged).encode()


def verified(original: dict[str, Any], certificate: bytes) -> Report:
    """`original`: what the forger began with."""
    fields = VerifyFields(certificate=certificate, rerun=True, fresh_votes=50)
    return asyncio.run(_verifier(original).verify(Form(fields, UploadFile(io.BytesIO(CLIP)))))


def _verifier(original: dict[str, Any]) -> Verifier:
    """A new one each time: its semaphores belong to one loop."""
    return Verifier(
        registry=cast(Any, SimpleNamespace(catalog=_catalog())),
        pool=cast(Any, MadeUpVotes(original)),
        metrics=_metrics(),
        uploads=Uploads(60.0),
        seed_key=b"for tests only, and long enough for it",
        keys=(),
        max_samples=100_000,
    )


@cache
def _metrics() -> Metrics:
    return Metrics()


@cache
def _catalog() -> Catalog:
    nowhere = Path("nowhere")
    source = Source(MANIFEST.name, MANIFEST.digest, nowhere, 1)
    entry = Entry(manifest=MANIFEST, source=source, place=nowhere, stamp=())
    return Catalog(entries={MANIFEST.name: entry}, refused={}, default=MANIFEST.name, read_at=datetime.now(UTC))


def places(content: Any, place: Path_ = ()) -> Iterator[Path_]:
    """Where there are values, those with parts of their own too."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*place, key)
        yield from places(value, (*place, key))


def _set(content: Any, place: Path_, value: Any) -> None:
    """Nothing, where an earlier change has left no such place."""
    try:
        for step in place[:-1]:
            content = content[step]
        content[place[-1]] = value
    except (KeyError, IndexError, TypeError):
        return


def _claims(certificate: dict[str, Any] | bytes) -> dict[str, Any]:
    """What follows from the counts, the plan, the clip and the model: all but facts of the run."""
    content: dict[str, Any] = json.loads(certificate) if isinstance(certificate, bytes) else certificate
    facts = {"certificate_id", "created_at", "service_version", "compute", "signature", "diagnostics", "sampling"} | {
        "label",
        "correct",
    }
    return {name: value for name, value in content.items() if name not in facts}
