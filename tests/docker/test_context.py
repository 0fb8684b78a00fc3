"""A build sees what it copies and nothing else: no history, no tests, no environment, no secrets."""

import json

from tests.conftest import ROOT
from tests.docker import context

FILES = [str(path) for path in context.files()]


def test_the_context_has_the_whole_package() -> None:
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "service").rglob("*.py")}
    assert sources <= set(FILES)


def test_the_context_has_every_bundled_model_and_nothing_else_of_the_models_folder() -> None:
    wanted = {"models/DEFAULT"}
    for manifest in ROOT.glob("models/*/model.json"):
        weights = [file for file in manifest.parent.iterdir() if file.suffix in {".safetensors", ".onnx", ".pt2"}]
        assert weights, manifest
        wanted |= {str(file.relative_to(ROOT)) for file in (manifest, manifest.parent / "CARD.md", *weights)}
    assert {file for file in FILES if file.startswith("models/")} == wanted
    assert (ROOT / "models" / "DEFAULT").read_text().strip() in {
        json.loads(path.read_text())["name"] for path in ROOT.glob("models/*/model.json")
    }


def test_the_context_has_nothing_else() -> None:
    tops = {file.split("/")[0] for file in FILES}
    assert tops == {"LICENSE", "README.md", "models", "pyproject.toml", "requirements", "service"}
    assert not [file for file in FILES if "__pycache__" in file]
    assert [file for file in FILES if file.startswith("requirements/")] == ["requirements/service.txt"]
