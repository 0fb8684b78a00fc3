"""Training end to end on a few clips of noise: model folders that load, the same after an interruption."""

import builtins
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.models.made_data import RATE_HZ, write_esc, write_manifest
from torch import Tensor

import train
import workers
from clips import Clip
from datasets import DATASETS
from recipe import Recipe
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load
from soundproof.nets.manifest import MANIFEST, WEIGHTS
from soundproof.nets.specs import CnnSpec, LogMelSpec
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key
from train import Run

SAMPLES = 3_200
EPOCHS, STEPS = 2, 3
CPU = torch.device("cpu")
SPEECH, SOUNDS = DATASETS["speech-commands-12"], DATASETS["esc-10"]

RECIPE = f"""
name = "tiny"
version = "7"
dataset = "DATASET"
sample_rate_hz = {RATE_HZ}
clip_samples = {SAMPLES}

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
autocast = []

[augmentation]
noise_sigma = [0.0, 0.02]
time_shift_samples = 160
mel_mask_bands = 8
time_mask_frames = 4

[card]
recommended_sigma = {{ waveform = 0.02, feature = 0.02 }}
licence = "Apache-2.0"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Speech Commands of 48 clips, 3 of each class for training (36) and 1 for validation."""
    return write_manifest(tmp_path_factory.mktemp("data"), {"train": 3, "validation": 1}, SAMPLES)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ESC-10 of 50 clips, one of each class in each fold."""
    return write_esc(tmp_path_factory.mktemp("sounds"), samples=SAMPLES)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return read_recipe(tmp_path, SPEECH.name)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """runs/ is under the working directory."""
    monkeypatch.chdir(tmp_path)


def read_recipe(folder: Path, dataset: str) -> Recipe:
    (folder / "recipe.toml").write_text(RECIPE.replace("DATASET", dataset))
    return Recipe.read(folder / "recipe.toml")


def with_autocast(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"optimizer": recipe.optimizer.model_copy(update={"autocast": ("cpu",)})})


def command(monkeypatch: pytest.MonkeyPatch, data: Path, *arguments: object) -> None:
    """`python models/train.py recipe.toml DATA --device cpu ...`."""
    words = ["train.py", "recipe.toml", data, "--device", "cpu", *arguments]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    train.main()


def weights(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_file(folder / WEIGHTS)
    return found


def assert_same(first: Path, second: Path) -> None:
    left, right = weights(first), weights(second)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(right[name], tensor), name


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


def test_several_seeds_and_folds_in_one_call_are_the_runs_one_by_one(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two at a time, bit for bit."""
    recipe = read_recipe(tmp_path, SOUNDS.name)
    command(monkeypatch, sounds, "--seeds", "1,2", "--folds", "2,5", "--jobs", 2)
    together = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in together] == [
        f"noise-0+0.02-seed-{seed}-fold-{fold}-{recipe.digest}" for seed in (1, 2) for fold in (2, 5)
    ]
    for path, (seed, fold) in zip(together, [(1, 2), (1, 5), (2, 2), (2, 5)], strict=True):
        training = load(path).manifest.training
        assert training is not None
        assert (training.seed, training.fold, training.clips) == (seed, fold, 40)
    monkeypatch.setattr(train, "RUNS", Path("alone"))
    assert_same(together[1], train.train(Run(recipe, sounds, 1, 5, "cpu")))
    assert len({str(weights(path)["linear.weight"]) for path in together}) == 4


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


def test_out_is_a_model_folder_without_what_training_left_behind(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = read_recipe(tmp_path, SPEECH.name)
    run = Run(recipe.with_noise(()), data, 1, None, "cpu")
    monkeypatch.setattr(workers, "pool", lambda *_: nullcontext(builtins))  # its `map` is that of a pool
    command(monkeypatch, data, "--noise", "none", "--out", tmp_path / "models" / "tiny")
    assert sorted(path.name for path in (tmp_path / "models" / "tiny").iterdir()) == [MANIFEST, WEIGHTS]
    assert load(tmp_path / "models" / "tiny").manifest == load(run.folder).manifest
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {tmp_path / 'models' / 'tiny'}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seeds", "1,2", "--folds", "1", "--out", "model"], "--out takes one run, these are 2"),
        (["--out", "model"], "--out takes one run, these are 5"),
        (["--folds", "1,6"], "the folds of esc-10 are 1, 2, 3, 4, 5"),
        (["--seeds", "one"], "one is not whole numbers by commas"),
        (["--noise", "-0.5"], "a standard deviation is 0 or more"),
        (["--jobs", "0"], "0 is not at least 1"),
        (["--device", "nowhere"], "--device nowhere: "),
        (["--noise", "loud"], "loud is not none, a number or several by commas"),
    ],
)
def test_what_cannot_be_run_is_said_at_once(
    sounds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    read_recipe(tmp_path, SOUNDS.name)
    with pytest.raises(SystemExit):
        command(monkeypatch, sounds, *arguments)
    assert told in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_data_set_that_comes_in_splits_has_no_folds(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read_recipe(tmp_path, SPEECH.name)
    with pytest.raises(SystemExit):
        command(monkeypatch, data, "--folds", "1")
    assert "the folds of speech-commands-12 are none" in capsys.readouterr().err


def test_missing_data_is_said_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read_recipe(tmp_path, SOUNDS.name)
    with pytest.raises(SystemExit):
        command(monkeypatch, tmp_path, "--folds", "1")
    assert "ESC-50/archive" in capsys.readouterr().err


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
