"""A model folder from somebody else's file: made whole and verified, or not made at all."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from onnx import helper
from pydantic import ValidationError
from tests.nets import onnx_files, pt2_files
from tests.nets.hugging_face_folders import BANDS, CLIP, FRAMES, RATE_HZ, write_ast, write_wav2vec2

import soundproof.nets
from soundproof.errors import ModelRefused
from soundproof.nets.adding import Addition, add_model
from soundproof.nets.folder import load
from soundproof.nets.manifest import CARD, MANIFEST, read_manifest
from soundproof.terms import Gain, GainPolicy

TINY = Addition(
    name="tiny",
    version="1",
    classes=("a", "b", "c"),
    sample_rate_hz=RATE_HZ,
    clip_samples=onnx_files.CLIP,
    gain=Gain(GainPolicy.RMS, 1.0),
    sigma=0.02,
    feature_sigma=None,
    licence="MIT",
    data="white | noise",
    data_licence="none",
)
HUGGING_FACE = replace(TINY, classes=None, clip_samples=CLIP, feature_sigma=0.1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soundproof.nets.adding.MEASURED_S", 0.01)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    (folder / "tiny.onnx").write_bytes(onnx_files.content())
    (folder / "tiny.pt2").write_bytes(pt2_files.tiny())
    return {
        "onnx": folder / "tiny.onnx",
        "torch-export": folder / "tiny.pt2",
        "ast": write_ast(folder / "ast"),
        "wav2vec2": write_wav2vec2(folder / "wav2vec2"),
    }


@pytest.mark.parametrize(
    ("source", "wanted", "files"),
    [
        ("onnx", TINY, {"model.onnx"}),
        ("torch-export", TINY, {"model.pt2"}),
        ("ast", HUGGING_FACE, {"model.safetensors", "config.json", "preprocessor_config.json"}),
        (
            "wav2vec2",
            replace(HUGGING_FACE, feature_sigma=None),
            {"model.safetensors", "config.json", "preprocessor_config.json"},
        ),
    ],
)
def test_a_good_source_becomes_a_folder_that_loads(
    sources: dict[str, Path], tmp_path: Path, source: str, wanted: Addition, files: set[str]
) -> None:
    folder = tmp_path / "models" / "tiny"
    card = add_model(sources[source], folder, wanted)
    assert {path.name for path in folder.iterdir()} == {MANIFEST, CARD, *files}
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
    assert (folder / CARD).read_text() == card
    manifest = load(folder).manifest
    assert {manifest.main_file, *manifest.files} == files
    assert manifest.training is None
    assert manifest.digest in card
    assert manifest.weights_sha256 in card
    assert "Accuracy: none" in card
    assert "forward passes a second on cpu" in card
    if source == "ast":
        assert manifest.feature_shape == (FRAMES, BANDS)
        assert manifest.recommended_sigma == {"waveform": 0.02, "feature": 0.1}
        assert f"feature ({FRAMES} x {BANDS})" in card
    else:
        assert not manifest.has_features
        assert manifest.recommended_sigma == {"waveform": 0.02}
    assert manifest.classes == (("no", "yes", "other") if wanted.classes is None else wanted.classes)


def test_a_device_is_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "x.onnx"
    source.symlink_to("/dev/zero")
    with pytest.raises(ModelRefused, match=r"x\.onnx is not a regular file"):
        add_model(source, tmp_path / "tiny", TINY)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_every_file_that_is_loaded_is_held_to_its_digest(sources: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "tiny"
    add_model(sources["ast"], folder, HUGGING_FACE)
    before = read_manifest(folder).digest
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    for read in (load, read_manifest):
        with pytest.raises(ModelRefused, match=f"the digest of {name} is"):
            read(folder)
    content = json.loads((folder / MANIFEST).read_text())
    digests = content if name == "model.safetensors" else content["files"]
    digests["weights_sha256" if name == "model.safetensors" else name] = 64 * "0"
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ModelRefused, match=64 * "0"):
        read_manifest(folder)
    assert before not in str(content)


@pytest.mark.parametrize(("source", "wanted"), [("onnx", TINY), ("torch-export", TINY), ("ast", HUGGING_FACE)])
def test_what_is_hashed_is_what_is_loaded(
    sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, wanted: Addition
) -> None:
    """Every file is read once, and gone before its format's loader sees the content."""
    add_model(sources[source], tmp_path / "tiny", wanted)
    read: list[str] = []

    def opened_once(path: Path) -> BinaryIO:
        read.append(path.name)
        file = path.open("rb")
        path.unlink()
        return file

    monkeypatch.setattr("soundproof.nets.manifest._opened", opened_once)
    manifest = load(tmp_path / "tiny").manifest
    assert sorted(read) == sorted([MANIFEST, manifest.main_file, *manifest.files])


@pytest.mark.parametrize(
    ("source", "wanted", "module", "library", "extra"),
    [
        ("onnx", TINY, "onnx_file", "onnxruntime", "soundproof[onnx]"),
        ("ast", HUGGING_FACE, "hugging_face", "transformers", "soundproof[hugging-face]"),
    ],
)
def test_a_library_that_is_missing_is_named_with_the_extra_that_brings_it(
    sources: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    wanted: Addition,
    module: str,
    library: str,
    extra: str,
) -> None:
    add_model(sources[source], tmp_path / "tiny", wanted)
    monkeypatch.delitem(sys.modules, f"soundproof.nets.{module}")
    monkeypatch.delattr(soundproof.nets, module)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModelRefused) as caught:
        load(tmp_path / "tiny")
    assert f"a library that is not installed ({library})" in str(caught.value)
    assert f"pip install {extra}" in str(caught.value)
    read_manifest(tmp_path / "tiny")  # the API process needs none of it


def test_a_folder_that_is_there_is_never_overwritten(sources: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        add_model(sources["onnx"], tmp_path / "tiny", TINY)
    assert not list((tmp_path / "tiny").iterdir())


def across_the_batch(folder: Path) -> Path:
    """Centres the logits over the batch, which no clip alone would show."""
    nodes = [
        helper.make_node("Gemm", ["waveform", "weight", "bias"], ["raw"]),
        helper.make_node("ReduceMax", ["raw"], ["top"], keepdims=0),
        helper.make_node("Sub", ["raw", "top"], ["logits"]),
    ]
    (folder / "model.onnx").write_bytes(onnx_files.content(nodes))
    return folder / "model.onnx"


def not_finite(folder: Path) -> Path:
    nodes = [
        helper.make_node("Gemm", ["waveform", "weight", "bias"], ["raw"]),
        helper.make_node("Log", ["raw"], ["logits"]),
    ]
    (folder / "model.onnx").write_bytes(onnx_files.content(nodes))
    return folder / "model.onnx"


def with_code(folder: Path) -> Path:
    write_ast(folder / "source")
    (folder / "source" / "modeling_evil.py").write_text("raise SystemExit")
    return folder / "source"


def pickled(folder: Path) -> Path:
    write_ast(folder / "source")
    (folder / "source" / "model.safetensors").unlink()
    torch.save({}, folder / "source" / "pytorch_model.bin")
    return folder / "source"


def a_text(folder: Path) -> Path:
    (folder / "model.txt").write_text("weights")
    return folder / "model.txt"


def ours(folder: Path) -> Path:
    (folder / MANIFEST).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("source", "wanted", "named"),
    [
        (across_the_batch, TINY, "depend on the other clips of its batch"),
        (not_finite, TINY, "logits on a probe are not finite"),
        (with_code, HUGGING_FACE, r"holds code \(modeling_evil.py\)"),
        (pickled, HUGGING_FACE, "has no model.safetensors. It has pytorch_model.bin, which is never opened"),
        (a_text, TINY, "is no model that can be added"),
        (ours, TINY, "is a model folder already"),
        (lambda folder: folder / "nothing", TINY, "is no model that can be added"),
    ],
)
def test_a_source_that_is_refused_leaves_nothing_behind(
    tmp_path: Path, source: Callable[[Path], Path], wanted: Addition, named: str
) -> None:
    (tmp_path / "from").mkdir()
    with pytest.raises(ModelRefused, match=named):
        add_model(source(tmp_path / "from"), tmp_path / "models" / "tiny", wanted)
    assert not list(tmp_path.glob("models/*"))


@pytest.mark.parametrize(
    ("wanted", "error", "named"),
    [
        (replace(TINY, classes=("a", "b")), ModelRefused, "answers 3 classes, the manifest names 2"),
        (replace(TINY, clip_samples=17), ModelRefused, "takes clips of 16 samples, the manifest says 17"),
        (replace(TINY, classes=None), ValueError, "--classes is needed"),
        (replace(TINY, classes=("a", "a", "b")), ValidationError, "distinct"),
        (replace(TINY, sigma=-1.0), ValidationError, "greater than 0"),
        (replace(TINY, sample_rate_hz=44_101), ValidationError, "sample_rate_hz must be one of"),
        (replace(TINY, name="../up"), ValidationError, "a name is"),
    ],
)
def test_a_description_that_is_wrong_leaves_nothing_behind(
    sources: dict[str, Path], tmp_path: Path, wanted: Addition, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        add_model(sources["onnx"], tmp_path / "models" / "tiny", wanted)
    assert not list(tmp_path.glob("models/*"))
