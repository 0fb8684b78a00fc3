"""What a model folder and its manifest must hold, and that a refusal names what is wrong with them."""

import json
import os
from pathlib import Path

import pytest
import torch
from tests.conftest import BUNDLED
from tests.heard import heard
from tests.model_folders import random_linear, write_cnn
from tests.nets.changed_folders import CLASSES, SAMPLES, Change, change_manifest, refusal

from soundproof.errors import ModelRefused
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load
from soundproof.nets.manifest import MANIFEST, MOST_MANIFEST_BYTES, WEIGHTS, read_manifest


def test_a_good_linear_folder_loads_with_its_own_weights(folder: Path) -> None:
    weight, bias = random_linear(SAMPLES, CLASSES)
    model = load(folder)
    point = torch.randn(2, SAMPLES, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        logits = model.classifier.head(model.classifier.features(point))
    torch.testing.assert_close(logits, point @ weight.T + bias)
    assert model.manifest.classes == ("class-0", "class-1", "class-2")


def test_a_good_cnn_folder_loads_with_its_own_weights(tmp_path: Path) -> None:
    manifest = write_cnn(tmp_path / "cnn", classes=CLASSES)
    torch.manual_seed(0)
    assert manifest.front_end is not None
    original = LogMelCnn(manifest.architecture, manifest.front_end, 16_000, CLASSES).eval()  # type: ignore[arg-type]
    loaded = load(tmp_path / "cnn").classifier
    clip = torch.randn(1, 16_000, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        torch.testing.assert_close(loaded.head(loaded.features(clip)), original(clip), rtol=1e-4, atol=1e-5)


def test_the_bundled_model_hears_the_recorded_yes() -> None:
    model = load(BUNDLED)
    manifest = model.manifest
    x = heard(manifest).x
    with torch.inference_mode():
        logits = model.classifier.head(model.classifier.features(x.float().unsqueeze(0)))[0]
    assert manifest.classes[int(logits.argmax())] == "yes"


def test_the_digest_names_everything_but_the_measurements(folder: Path) -> None:
    before = read_manifest(folder)
    measured = json.loads((BUNDLED / MANIFEST).read_text())["measured"] or {
        "split": "test",
        "clean_accuracy": 0.9,
        "clean_clips": 10,
        "positive_radius_accuracy": {"0.02": 0.9},
        "certified_clips": 10,
        "n0": 100,
        "n": 1000,
        "alpha": 0.001,
        "command": "none",
    }
    change_manifest(folder, (("measured",), measured))
    assert read_manifest(folder).digest == before.digest
    change_manifest(folder, (("gain",), {"policy": "rms", "target": 0.5}))
    assert read_manifest(folder).digest != before.digest


def test_a_folder_without_a_manifest_is_refused(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert f"{MANIFEST} cannot be read (No such file" in refusal(folder)


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    assert f"{WEIGHTS} cannot be read (No such file" in refusal(folder)


def test_no_folder_at_all_is_refused(tmp_path: Path) -> None:
    assert f"{MANIFEST} cannot be read" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"[" * 100_000])
def test_a_manifest_that_is_no_json_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    assert f"{MANIFEST} is wrong: content: " in refusal(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ((("favourite_colour",), "blue"), "favourite_colour: Extra inputs are not permitted"),
        ((("gain", "loudness"), 1), "gain.loudness: Unexpected keyword argument"),
        ((("gain",), {"policy": "rms"}), "gain: Value error, gain policy 'rms' needs a positive, finite target"),
        ((("gain", "policy"), "loud"), "gain.policy: Input should be 'rms', 'peak' or 'none'"),
        ((("schema_version",), "2"), "schema_version: Input should be '1'"),
        ((("name",), "../escape"), "name: Value error, a name is 1 to 64 of"),
        ((("classes",), ["a", "b", "a"]), "classes: Value error, class names must be distinct"),
        ((("classes",), ["a", "", "b"]), "classes: Value error, class names must be distinct and not empty"),
        ((("classes",), ["a", "b\nc"]), "classes.1: Value error, it has control characters"),
        ((("version",), "1\x1b[2J"), "version: Value error, it has control characters"),
        ((("data",), "x\n## Measured"), "data: Value error, it has control characters"),
        ((("data_licence",), "\u202ex"), "data_licence: Value error, it has control characters"),
        ((("licence",), "\0"), "licence: Value error, it has control characters"),
        ((("classes",), ["only"]), "classes: Tuple should have at least 2 items"),
        ((("sample_rate_hz",), 44_101), "sample_rate_hz must be one of"),
        ((("clip_samples",), 0), "clip_samples: Input should be greater than or equal to 1"),
        ((("architecture", "name"), "transformer"), "architecture: Input tag 'transformer'"),
        ((("front_end",), {"name": "log-mel"}), "architecture 'log-mel-cnn' needs a front_end; the others take none"),
        ((("recommended_sigma",), {"feature": 0.1}), "recommended_sigma needs 'waveform'"),
        ((("files",), {"../escape": 64 * "0"}), "files must name nothing beside weights.safetensors"),
        ((("recommended_sigma", "feature"), 0), "recommended_sigma.feature: Input should be greater than 0"),
        ((("weights_sha256",), None), "weights_sha256: Input should be a valid string"),
    ],
)
def test_a_manifest_with_a_fault_is_refused_by_the_faults_name(folder: Path, change: Change, named: str) -> None:
    change_manifest(folder, change)
    assert named in refusal(folder)


def test_a_manifest_that_lacks_a_key_is_refused(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    del content["data_licence"]
    (folder / MANIFEST).write_text(json.dumps(content))
    assert "data_licence: Field required" in refusal(folder)


def test_a_window_longer_than_the_transform_is_refused(tmp_path: Path) -> None:
    write_cnn(tmp_path / "cnn")
    change_manifest(tmp_path / "cnn", (("front_end", "window_samples"), 1025))
    assert "a window of 1025 samples does not fit in n_fft = 1024" in refusal(tmp_path / "cnn")


@pytest.mark.parametrize("name", [MANIFEST, WEIGHTS])
def test_a_pipe_or_a_device_in_a_files_place_is_refused_at_once(folder: Path, name: str) -> None:
    """A pipe would be waited for, /dev/zero would be read until memory is full."""
    (folder / name).unlink()
    os.mkfifo(folder / name)
    for read in (load, read_manifest):
        with pytest.raises(ModelRefused, match=rf"{name} cannot be read \(not a regular file\)"):
            read(folder)
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    for read in (load, read_manifest):
        with pytest.raises(ModelRefused, match=rf"{name} cannot be read \(not a regular file\)"):
            read(folder)


def test_a_manifest_larger_than_any_is_refused_by_its_size(folder: Path) -> None:
    with (folder / MANIFEST).open("ab") as file:
        file.write(b" " * MOST_MANIFEST_BYTES)
    assert f"{MANIFEST} is larger than {MOST_MANIFEST_BYTES} bytes" in refusal(folder)
