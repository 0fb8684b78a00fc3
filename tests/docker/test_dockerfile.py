"""The images: pinned, unprivileged, told apart from each other only by what a GPU needs."""

import json
import re

import pytest
from tests.conftest import ROOT
from tests.docker import context
from tests.docker.dockerfile import chain, pairs, stages

from soundproof.configuration.variable import variables

STAGES = stages()
INSTRUCTIONS = [each for stage in STAGES.values() for each in stage.instructions]
TARGETS = ["cpu", "cuda"]
PINNED = re.compile(r"[a-z/]+:[\w.-]+@sha256:[0-9a-f]{64}")


def test_every_base_is_pinned_by_tag_and_digest() -> None:
    bases = {stage.base for stage in STAGES.values()} - STAGES.keys()
    assert len(bases) == 1
    assert all(PINNED.fullmatch(base) for base in bases)


def test_the_default_target_is_the_one_without_a_gpu() -> None:
    assert list(STAGES)[-1] == "cpu"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_starts_the_service_as_a_user_without_privileges(target: str) -> None:
    last = {each.keyword: each for stage in chain(target, STAGES) for each in stage.instructions}
    assert last["USER"].value == "10001:10001"
    assert json.loads(last["ENTRYPOINT"].value) + json.loads(last["CMD"].value) == ["soundproof", "serve"]
    assert "/readyz" in last["HEALTHCHECK"].value
    # The default store is a file in the working folder: it has to outlive the container.
    assert last["WORKDIR"].value == last["VOLUME"].value == "/var/lib/soundproof"


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_installed_in_an_image_itself(target: str) -> None:
    [base, own] = chain(target, STAGES)
    assert {each.keyword for each in own.instructions} == {"COPY", "ENV"}
    [run] = [each for each in base.instructions if each.keyword == "RUN"]
    assert not re.search(r"\binstall (?!--directory)", run.value)


def test_every_setting_that_an_image_sets_is_one() -> None:
    known = {variable.name for variable in variables()}
    told = {name for each in INSTRUCTIONS if each.keyword == "ENV" for name in pairs(each)}
    assert {name for name in told if name.startswith("SOUNDPROOF_")} <= known
    assert "SOUNDPROOF_OPEN" not in told  # by itself an image may be published to anybody
    assert "SOUNDPROOF_STORE" not in told  # or SOUNDPROOF_STORE_FILE would be set beside it


def test_every_file_that_is_copied_is_in_the_context() -> None:
    files = context.files()
    copied = [each for each in INSTRUCTIONS if each.keyword == "COPY"]
    sources = [source for each in copied if not each.flag("from") for source in each.words[:-1]]
    for source in sources:
        assert any(str(file) == source or file.is_relative_to(source) for file in files), source


def test_every_package_that_is_taken_out_was_installed() -> None:
    """pip only warns of others: a name that changes with a new torch would silently stay in."""
    installed = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "service.txt").read_text(), re.MULTILINE))
    for stage in ("cuda-packages", "cpu-packages"):
        [run] = STAGES[stage].instructions
        removed = re.search(r"uninstall --yes (.*?)&&", run.value)
        assert removed, stage
        assert set(removed[1].split()) <= installed


def test_the_paths_name_the_version_of_the_base() -> None:
    version = re.search(r"python:(\d+\.\d+)\.", STAGES["base"].base)
    assert version
    named = {found for each in INSTRUCTIONS for found in re.findall(r"python\d\.\d+", each.value)}
    assert named == {f"python{version[1]}"}
