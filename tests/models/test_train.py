"""Training end to end on a few clips of noise: model folders that load, the same after an interruption."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.made_data import RATE_HZ
from tests.models.training import EPOCHS, SAMPLES, SOUNDS, SPEECH, STEPS, assert_same, read_recipe, weights
from torch import Tensor

import train
from clips import Clip
from recipe import Recipe
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load
from soundproof.nets.manifest import MANIFEST, WEIGHTS
from soundproof.nets.specs import CnnSpec, LogMelSpec
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key
from train import Run

pytestmark = pytest.mark.usefixtures("_elsewhere")
CPU = torch.device("cpu")


def with_autocast(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"optimizer": recipe.optimizer.model_copy(update={"autocast": ("cpu",)})})


def interrupt(monkeypatch: pytest.MonkeyPatch, after_steps: int) -> None:
    """Press Ctrl-C before the step after so many."""
    steps = 0
    shifted = vars(train)["shifted"]

    def counting(waveforms: Tensor, most: int) -> Any:
        nonlocal steps
        if steps == after_steps:
            raise KeyboardInterrupt
        steps += 1
        return shifted(waveforms, most)

    monkeypatch.setattr(train, "shifted", counting)


def test_a_run_writes_a_folder_that_loads(recipe: Recipe, data: Path) -> None:
    folder = train.train(Run(recipe, data, 3, None, "cpu"))
    assert folder == Path("runs/tiny") / f"noise-0+0.02-seed-3-{recipe.digest}"
    manifest = load(folder).manifest
    assert (manifest.name, manifest.version) == ("tiny", "7")
    assert manifest.classes == SPEECH.classes
    assert manifest.clip_samples == SAMPLES
    assert (manifest.data, manifest.data_licence, manifest.licence) == (SPEECH.title, "CC BY 4.0", "Apache-2.0")
    assert manifest.training is not None
    assert manifest.training.model_dump() == {
        "noise_sigma": (0.0, 0.02),
        "epochs": EPOCHS,
        "seed": 3,
        "fold": None,
        "clips": 36,
    }
    assert manifest.measured is None
    log = (folder / "log").read_text()
    assert all(f"epoch {epoch:3d}  loss " in log for epoch in range(1, EPOCHS + 1))


def test_no_clip_of_the_fold_that_is_held_out_is_trained_on(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(tmp_path, SOUNDS.name)
    read: list[set[int | None]] = []

    def reading(clips: list[Clip], *classes: Any, **shape: Any) -> Any:
        read.append({clip.fold for clip in clips})
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "load", reading)
    with pytest.raises(KeyboardInterrupt):
        train.train(Run(recipe, sounds, 1, 4, "cpu"))
    assert read == [{1, 2, 3, 5}]


@pytest.mark.parametrize(
    ("autocast", "after_steps"),
    [(False, STEPS), (False, STEPS + 1), (False, 1), (True, STEPS + 2)],
    ids=["between epochs", "in the second epoch", "in the first epoch", "in bfloat16"],
)
def test_an_interrupted_run_ends_where_an_undisturbed_one_does(
    recipe: Recipe, data: Path, monkeypatch: pytest.MonkeyPatch, autocast: bool, after_steps: int
) -> None:
    run = Run(with_autocast(recipe) if autocast else recipe, data, 1, None, "cpu")
    with monkeypatch.context() as patched:
        interrupt(patched, after_steps)
        with pytest.raises(KeyboardInterrupt):
            train.train(run)
    assert not (run.folder / MANIFEST).exists()
    torch.rand(7)  # whatever else the process has drawn
    resumed = train.train(run)
    monkeypatch.setattr(train, "RUNS", Path("undisturbed"))
    assert_same(resumed, train.train(run))


def test_a_checkpoint_cut_short_is_not_resumed_from(
    recipe: Recipe, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(recipe, data, 1, None, "cpu")
    with monkeypatch.context() as patched:
        interrupt(patched, STEPS)
        with pytest.raises(KeyboardInterrupt):
            train.train(run)
    assert sorted(path.name for path in run.folder.iterdir()) == [train.CLIPS, "epoch-1.safetensors", "log"]
    (run.folder / "next.safetensors").write_bytes(b"half of a file")
    train.train(run)
    assert (run.folder / "log").read_text().count("epoch   1 ") == 1
    assert sorted(path.name for path in run.folder.glob("*.safetensors")) == ["epoch-2.safetensors", WEIGHTS]


def test_a_finished_run_is_left_alone(recipe: Recipe, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = train.train(Run(recipe, data, 1, None, "cpu"))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    monkeypatch.setattr(train, "load", None)
    assert train.train(Run(recipe, data, 1, None, "cpu")) == folder
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before


def test_a_run_of_other_clips_is_neither_resumed_nor_taken_for_done(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    folder = train.train(Run(recipe, data, 1, None, "cpu"))
    fewer = tmp_path / "fewer"
    shutil.copytree(data, fewer)
    lines = (fewer / "manifest.csv").read_text().splitlines()
    (fewer / "manifest.csv").write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    with pytest.raises(ValueError, match="was trained on other clips"):
        train.train(Run(recipe, fewer, 1, None, "cpu"))
    assert train.train(Run(recipe, data, 1, None, "cpu")) == folder


@pytest.mark.parametrize(
    ("text", "noise", "name"),
    [("none", (), "none"), ("0.01", (0.01,), "0.01"), ("0,0.01", (0.0, 0.01), "0+0.01")],
)
def test_noise_is_none_one_sigma_or_a_range_of_which_each_clip_draws_one(
    recipe: Recipe,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    noise: tuple[float, ...],
    name: str,
) -> None:
    """What the features see, less the clip without noise, is a sigma of `noise` times the noise."""
    assert train.sigmas(text) == noise
    met: set[float] = set()
    clean: list[Tensor] = []
    shifted, drawn = vars(train)["shifted"], vars(train)["standard_normal"]
    last: list[Tensor] = []
    features = LogMelCnn.features

    def keeping(waveforms: Tensor, most: int) -> Any:
        clean.append(shifted(waveforms, most))
        return clean[-1]

    def drawing(*address: Any) -> Any:
        last[:] = [drawn(*address)]
        return last[0]

    def listening(model: LogMelCnn, noised: Tensor) -> Tensor:
        if model.training:
            added = noised - clean[-1]
            met.update(round(float((a * z).sum() / (z * z).sum()), 4) for a, z in zip(added, last[0], strict=True))
        return features(model, noised)

    run = Run(recipe.with_noise(noise), data, 1, None, "cpu")
    with monkeypatch.context() as patched:
        patched.setattr(train, "shifted", keeping)
        patched.setattr(train, "standard_normal", drawing)
        patched.setattr(LogMelCnn, "features", listening)
        train.train(run)
    training = load(run.folder).manifest.training
    assert met == set(noise or (0.0,))
    assert training is not None
    assert training.noise_sigma == noise
    assert run.folder.name.startswith(f"noise-{name}-seed-1-")


def test_training_learns_something(recipe: Recipe, data: Path) -> None:
    """After 2 epochs the weights are no longer those of the seed, and the batch norms have seen the data."""
    trained = weights(train.train(Run(recipe, data, 3, None, "cpu")))
    torch.manual_seed(3)
    untrained: dict[str, Any] = LogMelCnn(CnnSpec(), LogMelSpec(), RATE_HZ, len(SPEECH.classes)).cnn.state_dict()
    assert trained.keys() == untrained.keys()
    assert int(trained["blocks.0.1.num_batches_tracked"]) == EPOCHS * STEPS
    for name in ("blocks.0.0.weight", "blocks.3.0.weight", "linear.weight"):
        assert 1e-4 < float((trained[name] - untrained[name]).abs().max()) < 0.1


def test_no_noise_is_met_twice_in_training(recipe: Recipe, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[bytes, int]] = []

    def watched(key: bytes, stage: Stage, block: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
        assert stage is Stage.TRAINING
        drawn.append((key, block))
        return standard_normal(key, stage, block, shape, device)

    monkeypatch.setattr(train, "standard_normal", watched)
    train.train(Run(recipe, data, 1, None, "cpu"))
    in_training = [address for address in drawn if address[0] != stream_key("validate")]
    assert len(set(in_training)) == len(in_training) == EPOCHS * STEPS


def test_another_seed_gives_another_model(recipe: Recipe, data: Path) -> None:
    first, second = (weights(train.train(Run(recipe, data, seed, None, "cpu"))) for seed in (1, 2))
    assert not torch.equal(first["linear.weight"], second["linear.weight"])


def test_accuracy_counts_what_the_model_gets_right() -> None:
    torch.manual_seed(0)
    model = LogMelCnn(CnnSpec(channels=(4,)), LogMelSpec(), RATE_HZ, 12)
    waveforms = torch.randn(100, SAMPLES)
    with torch.inference_mode():
        right = model.eval()(waveforms).argmax(1)
    labels = torch.where(torch.arange(100) < 75, right, (right + 1) % 12)
    assert train.accuracy(model, waveforms, labels, sigma=0.0, device=CPU) == 0.75
