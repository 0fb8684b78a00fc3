"""soundproof models, list and add as a user runs them."""

import json
from pathlib import Path

import pytest
from tests.conftest import Service
from tests.nets import onnx_files
from tests.test_cli import run
from typer.testing import CliRunner

from soundproof.cli import app
from soundproof.nets.manifest import read_manifest

OPTIONS = ["--rate", "16000", "--samples", str(onnx_files.CLIP), "--gain", "rms", "--sigma", "0.02"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "tiny.onnx").write_bytes(onnx_files.content())
    return tmp_path / "tiny.onnx"


def test_models_and_models_list_say_the_same(service: Service) -> None:
    plain, listed = run("models", "--url", service.url), run("models", "list", "--url", service.url)
    assert plain.returncode == listed.returncode == 0
    assert plain.stdout == listed.stdout
    document = json.loads(run("models", "list", "--json", "--url", service.url).stdout)
    assert document["default"] == "a-tiny"


def test_add_makes_a_folder_and_prints_its_card(source: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("down\ngo, or not\nleft\n")
    folder = tmp_path / "models" / "mine"
    classes = ["--classes", str(tmp_path / "classes.txt")]
    result = run("models", "add", str(folder), "--from", str(source), *OPTIONS, *classes)
    assert result.returncode == 0, result.stderr
    assert result.stdout == (folder / "CARD.md").read_text() + "\n"
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest["name"] == "mine"
    assert manifest["classes"] == ["down", "go, or not", "left"]
    assert manifest["gain"] == {"policy": "rms", "target": 1.0}


def test_add_overwrites_nothing(source: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["models", "add", str(tmp_path), "--from", str(source), *OPTIONS])
    assert result.exit_code == 2
    assert "nothing is overwritten" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ([*OPTIONS, "--classes", "a,b"], 3, "answers 3 classes, the manifest names 2"),
        ([*OPTIONS, "--classes", "a,b,b"], 2, "class names must be distinct"),
        (OPTIONS, 2, "--classes is needed"),
        ([*OPTIONS, "--classes", "nowhere.txt"], 2, "nowhere.txt"),
        ([*OPTIONS, "--classes", "a,b,c", "--gain", "none", "--target", "2"], 2, "takes no target"),
        ([*OPTIONS[:-2], "--classes", "a,b,c"], 2, "--sigma"),
        ([*OPTIONS, "--classes", "a,b,c", "--sigma", "5000"], 2, "1000"),
        ([*OPTIONS, "--classes", "a,b,c", "--sigma", "nan"], 2, "--sigma"),
        ([*OPTIONS, "--classes", "a,b,c", "--rate", "12345"], 2, "--rate must be one of"),
        ([*OPTIONS, "--classes", "a,b,c", "--device", "gpu"], 2, "--device gpu: "),
        ([*OPTIONS, "--classes", "a,b,c", "--feature-sigma", "0.1"], 2, "has no features"),
    ],
)
def test_add_says_what_is_wrong_and_leaves_nothing(
    source: Path, tmp_path: Path, options: list[str], code: int, named: str
) -> None:
    result = CliRunner().invoke(
        app, ["models", "add", str(tmp_path / "models" / "mine"), "--from", str(source), *options]
    )
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert not list(tmp_path.glob("models/*"))


def test_a_file_of_classes_may_come_from_an_editor_that_marks_its_bytes(source: Path, tmp_path: Path) -> None:
    names = tmp_path / "classes.txt"
    names.write_bytes("\ufeffcat\r\ndog\r\n\r\nbird\r\n".encode())
    folder = tmp_path / "models" / "mine"
    result = CliRunner().invoke(
        app, ["models", "add", str(folder), "--from", str(source), *OPTIONS, "--classes", str(names)]
    )
    assert result.exit_code == 0, result.stderr
    assert read_manifest(folder).classes == ("cat", "dog", "bird")
    assert "wrote " in result.stderr
