"""Recipes: those that come with the project, and what is wrong with others."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.conftest import ROOT

from datasets import DATASETS
from recipe import Recipe

RECIPES = sorted((ROOT / "models" / "recipes").glob("*.toml"))


def changed(path: Path, key: str, value: Any) -> Recipe:
    """The recipe with one value changed; `key`: "optimizer.epochs"."""
    content = tomllib.loads(path.read_text())
    *parts, last = key.split(".")
    inner = content
    for part in parts:
        inner = inner[part]
    inner[last] = value
    return Recipe.model_validate(content)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_of_a_data_set_and_bears_its_name(path: Path) -> None:
    recipe = Recipe.read(path)
    assert recipe.name == path.stem
    assert recipe.dataset in DATASETS
    assert recipe.optimizer.gradient_clip == 1.0


def test_there_is_a_recipe_for_every_data_set() -> None:
    assert {Recipe.read(path).dataset for path in RECIPES} == set(DATASETS)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_the_papers(path: Path) -> None:
    """Optimizer, schedule and front end of arXiv:2606.04210, section 5."""
    recipe = Recipe.read(path)
    optimizer, front_end = recipe.optimizer, recipe.front_end
    assert (optimizer.learning_rate, optimizer.weight_decay) == (1e-3, 1e-4)
    assert optimizer.epochs == (30 if recipe.dataset == "speech-commands-12" else 200)
    assert recipe.clip_samples == (16_000 if recipe.dataset == "speech-commands-12" else 80_000)
    assert (front_end.n_mels, front_end.n_fft, front_end.window_samples, front_end.hop_samples) == (64, 1024, 400, 160)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("optimizer.epoch", 30, "optimizer.epoch"),
        ("seed", 3, "seed"),
        ("front_end.n_mel", 40, "front_end.n_mel"),
        ("optimizer.epochs", 0, "optimizer.epochs"),
        ("augmentation.noise_sigma", [0.0, -0.01], "augmentation.noise_sigma.1"),
        ("augmentation.noise_sigma", [float("nan")], "augmentation.noise_sigma.0"),
        ("card.recommended_sigma", {"wave": 0.02}, "card.recommended_sigma.wave"),
        ("optimizer.autocast", ["cdua"], "optimizer.autocast.0"),
    ],
)
def test_what_is_wrong_is_named(key: str, value: Any, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        changed(RECIPES[0], key, value)
    assert told in [".".join(map(str, fault["loc"])).removesuffix(".[key]") for fault in caught.value.errors()]


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPES[0].read_text().replace("weight_decay", "# weight_decay"))
    with pytest.raises(ValidationError, match=r"optimizer\.weight_decay"):
        Recipe.read(tmp_path / "recipe.toml")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "other"),
        ("dataset", "esc-50"),
        ("sample_rate_hz", 8_000),
        ("clip_samples", 40_000),
        ("gain", {"policy": "peak", "target": 1.0}),
        ("front_end.log_epsilon", 1e-4),
        ("optimizer.epochs", 3),
        ("optimizer.batch", 16),
        ("optimizer.learning_rate", 2e-3),
        ("optimizer.weight_decay", 0.0),
        ("optimizer.gradient_clip", 2.0),
        ("optimizer.autocast", []),
        ("augmentation.noise_sigma", []),
        ("augmentation.noise_sigma", [0.0, 0.005]),
        ("augmentation.time_shift_samples", 1),
        ("augmentation.mel_mask_bands", 1),
        ("augmentation.time_mask_frames", 1),
    ],
)
def test_whatever_training_depends_on_is_in_the_digest(key: str, value: Any) -> None:
    recipe = Recipe.read(ROOT / "models" / "recipes" / "esc-10.toml")
    assert changed(ROOT / "models" / "recipes" / "esc-10.toml", key, value).digest != recipe.digest


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", "2"), ("card.licence", "MIT"), ("card.recommended_sigma", {"waveform": 0.5, "feature": 0.5})],
)
def test_what_the_card_says_is_not_in_the_digest(key: str, value: Any) -> None:
    assert changed(RECIPES[0], key, value).digest == Recipe.read(RECIPES[0]).digest


def test_other_noise_is_another_recipe_and_else_the_same() -> None:
    recipe = Recipe.read(RECIPES[0])
    other = recipe.with_noise((0.0, 0.02))
    assert other.augmentation.noise_sigma == (0.0, 0.02)
    assert other.digest != recipe.digest
    assert other.with_noise(recipe.augmentation.noise_sigma) == recipe
    with pytest.raises(ValidationError):
        recipe.with_noise((-1.0,))
