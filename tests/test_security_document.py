"""SECURITY.md names the test of every promise: they are there, under that name."""

import re

import pytest
from tests.conftest import ROOT

DOCUMENT = (ROOT / "SECURITY.md").read_text()
NAMED = re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", DOCUMENT)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_it_names_is_there(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_every_promise_has_a_test() -> None:
    table = DOCUMENT.split("| promise | shown by |")[1].split("\n\n")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) > 20
    assert all("::test_" in row for row in rows)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", DOCUMENT))))
def test_what_it_links_to_is_there(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"SOUNDPROOF_[A-Z_]+", DOCUMENT))))
def test_every_variable_that_it_names_is_a_setting(variable: str) -> None:
    assert f"`{variable}`" in (ROOT / "docs" / "configuration.md").read_text()
