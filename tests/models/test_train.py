"""Training end to end on a few clips of noise: a model folder that loads, the same after an interruption."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from torch import Tensor

import datasets
import train
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load
from soundproof.nets.manifest import WEIGHTS
from soundproof.nets.specs import CnnSpec, LogMelSpec
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key

RATE_HZ, SAMPLES = 16_000, 3_200
EPOCHS, STEPS = 2, 3
CPU = torch.device("cpu")

RECIPE = f"""
name = "tiny"
version = "7"
sample_rate_hz = {RATE_HZ}
clip_samples = {SAMPLES}
seed = 3

[gain]
policy = "rms"
target = 1.0

[front_end]
log_epsilon = 1e-3

[optimizer]
epochs = {EPOCHS}
batch = 16
learning_rate = 1e-3
weight_decay = 1e-4
gradient_clip = 1.0
autocast = AUTOCAST

[augmentation]
noise_sigma = [0.0, 0.02]
time_shift_samples = 160
mel_mask_bands = 8
time_mask_frames = 4

[card]
recommended_sigma = {{ waveform = 0.02, feature = 0.02 }}
data = "noise"
data_licence = "none"
licence = "Apache-2.0"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 clips in all, 4 of each class: 3 for training (36), 1 for validation; each class hums at its own pitch."""
    root = tmp_path_factory.mktemp("data")
    rows = ["path,label,word,speaker,split,source,samples"]
    time_s = np.arange(SAMPLES) / RATE_HZ
    for number, label in enumerate(datasets.CLASSES_12):
        for take in range(4):
            name = f"{label}-{take}.wav"
            hum = np.sin(2 * np.pi * (300 + 200 * number) * time_s + take)
            noise = np.random.default_rng([number, take]).standard_normal(SAMPLES)
            soundfile.write(root / name, 0.1 * hum + 0.02 * noise, RATE_HZ, subtype="PCM_16")
            rows.append(f"{name},{label},,,{'validation' if take == 3 else 'train'},here,{SAMPLES}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


def run(folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, autocast: str = "[]") -> Path:
    """`python models/train.py RECIPE DATA --device cpu` in `folder`; the model folder it wrote."""
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text(RECIPE.replace("AUTOCAST", autocast))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["train.py", "recipe.toml", str(data), "--device", "cpu"])
    train.main()
    return folder / "models" / "tiny"


def interrupt(monkeypatch: pytest.MonkeyPatch, after_steps: int) -> None:
    """Press Ctrl-C before the step after so many."""
    steps = 0
    shifted = train.shifted

    def counting(waveforms: Tensor, most: int) -> Tensor:
        nonlocal steps
        if steps == after_steps:
            raise KeyboardInterrupt
        steps += 1
        return shifted(waveforms, most)

    monkeypatch.setattr(train, "shifted", counting)


def test_training_writes_a_folder_that_loads(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = load(run(tmp_path, data, monkeypatch))
    manifest = model.manifest
    assert (manifest.name, manifest.version) == ("tiny", "7")
    assert manifest.classes == datasets.CLASSES_12
    assert manifest.clip_samples == SAMPLES
    assert manifest.training.model_dump() == {"noise_sigma": (0.0, 0.02), "epochs": EPOCHS, "seed": 3, "clips": 36}
    assert manifest.measured is None
    printed = capsys.readouterr().out
    assert all(f"epoch {epoch:3d}  loss " in printed for epoch in range(1, EPOCHS + 1))


@pytest.mark.parametrize(
    ("autocast", "after_steps"),
    [("[]", STEPS), ("[]", STEPS + 1), ("[]", 1), ('["cpu"]', STEPS + 2)],
    ids=["between epochs", "in the second epoch", "in the first epoch", "in bfloat16"],
)
def test_an_interrupted_run_ends_where_an_undisturbed_one_does(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, autocast: str, after_steps: int
) -> None:
    undisturbed = load_file(run(tmp_path / "undisturbed", data, monkeypatch, autocast) / WEIGHTS)
    with monkeypatch.context() as patched:
        interrupt(patched, after_steps)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "interrupted", data, patched, autocast)
    assert not (tmp_path / "interrupted" / "models").exists()
    torch.rand(7)  # whatever else the process has drawn
    resumed = load_file(run(tmp_path / "interrupted", data, monkeypatch, autocast) / WEIGHTS)
    assert resumed.keys() == undisturbed.keys()
    for name, tensor in undisturbed.items():
        assert torch.equal(resumed[name], tensor), name


def test_a_checkpoint_cut_short_is_not_resumed_from(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        interrupt(patched, STEPS)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, data, patched)
    [checkpoints] = (tmp_path / "runs" / "tiny").iterdir()
    assert [path.name for path in checkpoints.iterdir()] == ["epoch-1.safetensors"]
    (checkpoints / "next.safetensors").write_bytes(b"half of a file")
    run(tmp_path, data, monkeypatch)
    assert "resuming after epoch 1" in capsys.readouterr().out
    assert [path.name for path in checkpoints.iterdir()] == [f"epoch-{EPOCHS}.safetensors"]


def test_a_changed_recipe_does_not_resume_the_old_run() -> None:
    recipe = {"name": "tiny", "optimizer": {"epochs": 2}}
    changed = {"name": "tiny", "optimizer": {"epochs": 3}}
    assert train.run_name(recipe, 10) == train.run_name(dict(recipe), 10)
    assert len({train.run_name(recipe, 10), train.run_name(changed, 10), train.run_name(recipe, 11)}) == 3


def test_training_learns_something(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 2 epochs the weights are no longer those of the seed, and the batch norms have seen the data."""
    weights = load_file(run(tmp_path, data, monkeypatch) / WEIGHTS)
    torch.manual_seed(3)
    untrained: dict[str, Any] = LogMelCnn(CnnSpec(), LogMelSpec(), RATE_HZ, len(datasets.CLASSES_12)).cnn.state_dict()
    assert weights.keys() == untrained.keys()
    assert int(weights["blocks.0.1.num_batches_tracked"]) == EPOCHS * STEPS
    for name in ("blocks.0.0.weight", "blocks.3.0.weight", "linear.weight"):
        assert 1e-4 < float((weights[name] - untrained[name]).abs().max()) < 0.1


def test_no_noise_is_met_twice_in_training(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[bytes, int]] = []

    def watched(key: bytes, stage: Stage, block: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
        assert stage is Stage.TRAINING
        drawn.append((key, block))
        return standard_normal(key, stage, block, shape, device)

    monkeypatch.setattr(train, "standard_normal", watched)
    run(tmp_path, data, monkeypatch)
    in_training = [address for address in drawn if address[0] != stream_key("validate")]
    assert len(set(in_training)) == len(in_training) == EPOCHS * STEPS


def test_another_seed_gives_another_model(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_file(run(tmp_path / "first", data, monkeypatch) / WEIGHTS)
    monkeypatch.setattr(sys.modules[__name__], "RECIPE", RECIPE.replace("seed = 3", "seed = 4"))
    second = load_file(run(tmp_path / "second", data, monkeypatch) / WEIGHTS)
    assert not torch.equal(first["linear.weight"], second["linear.weight"])


def test_shifting_moves_a_clip_and_keeps_its_level() -> None:
    torch.manual_seed(0)
    clips, most = torch.randn(40, 500), 30
    moved = train.shifted(clips, most)
    offsets = set()
    for clip, found in zip(clips, moved, strict=True):
        assert float(found.square().mean().sqrt()) == pytest.approx(float(clip.square().mean().sqrt()), rel=1e-5)
        nonzero = found.nonzero().flatten()
        before, after = int(nonzero[0]), 499 - int(nonzero[-1])
        offset = before or -after
        scale = float(found[250] / clip[250 - offset])
        expected = torch.zeros(500)
        expected[max(offset, 0) : 500 + min(offset, 0)] = clip[max(-offset, 0) : 500 - max(offset, 0)]
        torch.testing.assert_close(found, scale * expected)
        offsets.add(offset)
    assert min(offsets) < 0 < max(offsets)
    assert max(map(abs, offsets)) <= most


def test_a_clip_that_would_be_shifted_out_of_sight_stays() -> None:
    clip = torch.zeros(1, 100)
    clip[0, 0] = 1.0
    torch.manual_seed(0)
    moved = torch.cat([train.shifted(clip, 50) for _ in range(20)])
    assert (moved.square().sum(dim=1) == 1.0).all()


def test_masking_sets_one_band_and_one_stretch_to_the_clips_mean() -> None:
    torch.manual_seed(0)
    features = torch.randn(50, 64, 101) + torch.arange(50.0).view(-1, 1, 1)
    result = train.masked(features, 10, 20)
    widths = []
    for before, after in zip(features, result, strict=True):
        changed = before != after
        torch.testing.assert_close(after[changed], before.mean().expand(int(changed.sum())))
        bands, frames = changed.all(dim=1).nonzero().flatten(), changed.all(dim=0).nonzero().flatten()
        for positions, most in ((bands, 10), (frames, 20)):
            assert len(positions) <= most
            assert torch.equal(positions, torch.arange(len(positions)) + (positions[0] if len(positions) else 0))
        expected = torch.zeros_like(changed)
        expected[bands] = True
        expected[:, frames] = True
        assert torch.equal(changed, expected)
        widths.append((len(bands), len(frames)))
    assert max(widths)[0] == 10
    assert min(widths)[0] == 0


def test_validation_counts_what_the_model_gets_right() -> None:
    torch.manual_seed(0)
    model = LogMelCnn(CnnSpec(channels=(4,)), LogMelSpec(), RATE_HZ, 12)
    waveforms = torch.randn(100, SAMPLES)
    with torch.inference_mode():
        right = model.eval()(waveforms).argmax(1)
    labels = torch.where(torch.arange(100) < 75, right, (right + 1) % 12)
    assert train.evaluate(model, waveforms, labels, sigma=0.0, device=CPU) == 0.75
