"""What a model folder must hold, and that a refusal names what is wrong with it."""

import json
import math
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.conftest import BUNDLED, YES
from tests.model_folders import random_linear, write_cnn, write_linear
from torch import Tensor

from soundproof.audio import wav
from soundproof.audio.prepare import prepare
from soundproof.errors import ModelRefused
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load
from soundproof.nets.manifest import MANIFEST, MOST_MANIFEST_BYTES, WEIGHTS, file_digest, read_manifest

SAMPLES, CLASSES = 400, 3
# A key of model.json, or several for one within another, and what to put there.
Change = tuple[tuple[str, ...], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good folder with a small linear classifier."""
    write_linear(tmp_path / "linear", *random_linear(SAMPLES, CLASSES))
    return tmp_path / "linear"


def change_manifest(folder: Path, *changes: Change) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    for (*outer, key), value in changes:
        part = content
        for name in outer:
            part = part[name]
        part[key] = value
    (folder / MANIFEST).write_text(json.dumps(content))


def change_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Change the tensors and let the manifest vouch for the result."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    vouch(folder)


def vouch(folder: Path) -> None:
    change_manifest(folder, (("weights_sha256",), file_digest(folder / WEIGHTS)))


def refusal(folder: Path) -> str:
    with pytest.raises(ModelRefused) as caught:
        load(folder)
    assert str(folder) in caught.value.detail
    return str(caught.value)


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
    x = prepare(
        wav.read(YES.read_bytes()),
        sample_rate_hz=manifest.sample_rate_hz,
        clip_samples=manifest.clip_samples,
        gain=manifest.gain,
    ).x
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


def test_a_wrong_digest_is_refused_before_the_weights_are_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object) -> dict[str, Tensor]:
        raise AssertionError("weights of an unknown origin were opened")

    monkeypatch.setattr("soundproof.nets.native.parse", opened)
    change_manifest(folder, (("weights_sha256",), 64 * "0"))
    message = refusal(folder)
    assert f"the digest of {WEIGHTS} is not {64 * '0'}, as {MANIFEST} says" in message
    assert file_digest(folder / WEIGHTS) not in message, "callers learn nothing about the content of a file of ours"


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


@pytest.mark.parametrize("position", [0, 20, -1])
def test_one_flipped_bit_of_the_weights_is_refused(folder: Path, position: int) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[position] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    assert f"the digest of {WEIGHTS}" in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"RIFF", (2**63 - 1).to_bytes(8, "little") + b"{}"])
def test_weights_that_are_no_safetensors_file_are_refused(folder: Path, content: bytes) -> None:
    (folder / WEIGHTS).write_bytes(content)
    vouch(folder)
    assert f"{WEIGHTS} is not a safetensors file" in refusal(folder)


def test_weights_cut_short_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-4])
    vouch(folder)
    assert f"{WEIGHTS} is not a safetensors file" in refusal(folder)


class Trap:
    """Whoever unpickles it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_pickle_is_never_opened(folder: Path, write: Callable[..., object]) -> None:
    sprung = folder / "sprung"
    with (folder / WEIGHTS).open("wb") as weights:
        write(Trap(sprung), weights)
    vouch(folder)
    assert f"{WEIGHTS} is not a safetensors file" in refusal(folder)
    assert not sprung.exists()
    with (folder / WEIGHTS).open("rb") as weights:  # the trap works
        pickle.load(weights) if write is pickle.dump else torch.load(weights, weights_only=False)  # noqa: S301
    assert sprung.exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda w: w.pop("linear.bias"), "linear.bias is missing"),
        (lambda w: w.update(extra=torch.zeros(1)), "extra is not known"),
        (
            lambda w: w.update({"linear.weight": torch.zeros(CLASSES, SAMPLES + 1)}),
            "linear.weight is float32 (3, 401), expected float32 (3, 400)",
        ),
        (
            lambda w: w.update({"linear.weight": w["linear.weight"].double()}),
            "linear.weight is float64 (3, 400), expected float32 (3, 400)",
        ),
        (
            lambda w: w.update({"linear.bias": w["linear.bias"].to(torch.float8_e4m3fn)}),
            "linear.bias is float8_e4m3fn (3,), expected float32 (3,)",
        ),
        (lambda w: w["linear.weight"].view(-1)[7].fill_(math.nan), "holds values that are not finite"),
        (lambda w: w["linear.bias"][1].fill_(-math.inf), "holds values that are not finite"),
        # Finite weights, but their sums overflow on ordinary clips.
        (lambda w: w["linear.weight"].fill_(3e38), "logits on a probe are not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    folder: Path, change: Callable[[dict[str, Tensor]], object], named: str
) -> None:
    change_weights(folder, change)
    assert named in refusal(folder)


def test_a_manifest_that_names_other_classes_than_the_weights_is_refused(folder: Path) -> None:
    change_manifest(folder, (("classes",), ["a", "b", "c", "d"]))
    assert "linear.bias is float32 (3,), expected float32 (4,)" in refusal(folder)


def test_a_front_end_that_gives_other_features_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    """An odd n_fft makes one frame less of a clip that is a multiple of the hop."""
    write_cnn(tmp_path / "cnn")
    change_manifest(tmp_path / "cnn", (("front_end", "n_fft"), 1023))
    assert "features have shape (64, 100), the manifest says (64, 101)" in refusal(tmp_path / "cnn")


@pytest.mark.parametrize("change", [(("clip_samples",), 300), (("clip_samples",), 1_000), (("front_end", "n_mels"), 8)])
def test_a_network_that_no_clip_fits_through_is_refused(tmp_path: Path, change: Change) -> None:
    write_cnn(tmp_path / "cnn")
    change_manifest(tmp_path / "cnn", change)
    assert "the network cannot take a clip of " in refusal(tmp_path / "cnn")
