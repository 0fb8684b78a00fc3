"""The weights of a model folder: only those that its manifest names, that fit and that are finite are taken."""

import math
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.model_folders import write_cnn
from tests.nets.changed_folders import CLASSES, SAMPLES, Change, change_manifest, change_weights, refusal, vouch
from torch import Tensor

from soundproof.nets.manifest import MANIFEST, WEIGHTS, file_digest


def test_a_wrong_digest_is_refused_before_the_weights_are_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: object) -> dict[str, Tensor]:
        raise AssertionError("weights of an unknown origin were opened")

    monkeypatch.setattr("soundproof.nets.native.parse", opened)
    change_manifest(folder, (("weights_sha256",), 64 * "0"))
    message = refusal(folder)
    assert f"the digest of {WEIGHTS} is not {64 * '0'}, as {MANIFEST} says" in message
    assert file_digest(folder / WEIGHTS) not in message, "callers learn nothing about the content of a file of ours"


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
