"""What the documents promise is what the code has."""

import re
from pathlib import Path

import pytest
from tests.conftest import ROOT

from soundproof import errors
from soundproof.api.metrics import Metrics
from soundproof.api.problems import FRAMEWORK, TABLE

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docker/*.md"), *ROOT.glob("models/*/CARD.md")]
API = (ROOT / "docs" / "api.md").read_text()


@pytest.mark.parametrize("error", TABLE)
def test_every_error_code_is_documented_with_its_status(error: type[errors.SoundproofError]) -> None:
    status, _ = TABLE[error]
    assert re.search(rf"^\| {status} \| .*`{error.code}`", API, re.MULTILINE)


@pytest.mark.parametrize("status", FRAMEWORK)
def test_every_framework_error_is_documented(status: int) -> None:
    assert re.search(rf"^\| {status} \| .*`{FRAMEWORK[status][0]}`", API, re.MULTILINE)


def test_every_metric_is_documented() -> None:
    ours = {family.name for family in Metrics().registry.collect() if family.name.startswith("soundproof_")}
    documented = {name.removesuffix("_total") for name in re.findall(r"`(soundproof_\w+)`", API)}
    assert ours == documented


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\((?!http|#)([^)#]+)", path.read_text()):
        assert (path.parent / link).exists(), link


def test_no_document_needs_what_a_stranger_does_not_have() -> None:
    for path in DOCUMENTS:
        assert "/shared" not in path.read_text(), path
