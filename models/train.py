"""Train the paper's log-mel CNN with Gaussian waveform augmentation; every run is a model folder.

    python models/train.py models/recipes/speech-commands-12.toml DATA --seeds 1,2,3 --noise 0.005
    python models/train.py models/recipes/esc-10.toml DATA --folds 1,2,3,4,5 --jobs 2
    python models/train.py models/recipes/esc-10.toml DATA --folds 1 --out models/esc-10

DATA is the data set's folder (`python models/datasets.py` says where to get it). One run for every seed and fold, each
in runs/<recipe>/noise-<sigma>-seed-<seed>[-fold-<fold>]-<digest of the recipe>/, `--jobs` at a time. A run that was
interrupted is resumed and one that is finished is left alone: every epoch's randomness is fixed by (seed, epoch), so
an interrupted run ends where an undisturbed one does, bit for bit, whatever runs beside it. (Another number of
--threads, or another processor, adds up in another order.) With --out and one run, its model folder is written there.
`models/evaluate.py` then certifies test clips with what came out.
"""

import argparse
import hashlib
import itertools
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

import workers
from augment import masked, shifted
from clips import Clip, load
from command import count, told
from datasets import DATASETS, DataSet
from recipe import Recipe
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.device import check_device
from soundproof.nets.manifest import MANIFEST, WEIGHTS, ModelManifest, Training, write_manifest
from soundproof.nets.specs import CnnSpec
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key

RUNS = Path("runs")
# Within a run's folder: the digest of the names of its training clips.
CLIPS = "clips.sha256"
# The noise under which the base classifier is looked at while it trains. Nothing is chosen by it.
WATCHED_SIGMAS = (0.0, 0.0025, 0.02)
LOOKS = 20


@dataclass(frozen=True)
class Run:
    """One training: everything that it depends on but the clips."""

    recipe: Recipe
    data: Path
    seed: int
    fold: int | None
    device: str

    @property
    def folder(self) -> Path:
        noise = "+".join(f"{sigma:g}" for sigma in self.recipe.augmentation.noise_sigma) or "none"
        fold = "" if self.fold is None else f"-fold-{self.fold}"
        return RUNS / self.recipe.name / f"noise-{noise}-seed-{self.seed}{fold}-{self.recipe.digest}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("data", type=Path, help="the data set's folder")
    parser.add_argument("--seeds", type=numbers, default=(1,), help="for example 1,2,3 (default: 1)")
    parser.add_argument("--folds", type=numbers, help="folds to hold out, one run each (default: all there are)")
    parser.add_argument("--noise", type=sigmas, help="none, a sigma, or several by commas (default: the recipe's)")
    parser.add_argument("--jobs", type=count, default=1, help="runs at a time")
    parser.add_argument("--threads", type=count, default=1, help="of each run on a CPU: sums in another number differ")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="or cuda:0,cuda:1")
    parser.add_argument("--out", type=Path, help="of a single run: the model folder to write")
    args = parser.parse_args()

    with told(parser):
        recipe = Recipe.read(args.recipe)
        if args.noise is not None:
            recipe = recipe.with_noise(args.noise)
        for name in args.device.split(","):
            check_device(name)
        DATASETS[recipe.dataset].read(args.data)  # whatever is missing is said here, once
    there = DATASETS[recipe.dataset].folds
    if not set(args.folds or ()) <= set(there):
        parser.error(f"the folds of {recipe.dataset} are {', '.join(map(str, there)) or 'none: it comes in splits'}")
    folds = args.folds or there or (None,)
    devices = itertools.cycle(args.device.split(","))
    runs = [Run(recipe, args.data, seed, fold, next(devices)) for seed in args.seeds for fold in folds]
    if args.out and len(runs) > 1:
        parser.error(f"--out takes one run, these are {len(runs)}: name one seed and one fold")

    with workers.pool(["cpu"] * args.jobs, args.threads) as pool:  # a run names its own device
        for folder in pool.map(train, runs, itertools.count()):
            print(folder, flush=True)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        for name in (MANIFEST, WEIGHTS):
            shutil.copyfile(runs[0].folder / name, args.out / name)
        print(f"wrote {args.out}")


def train(run: Run, line: int = 0) -> Path:
    """One straight run, resumed where it was left; its folder. `line`: where its progress bar stands."""
    recipe, device, data = run.recipe, torch.device(run.device), DATASETS[run.recipe.dataset]
    clips = data.read(run.data)
    hold_to_clips(run.folder, data.part(clips, "train", run.fold))
    if (run.folder / MANIFEST).is_file():
        return run.folder
    optimizer_recipe, augmentation = recipe.optimizer, recipe.augmentation
    shape: dict[str, Any] = {
        "sample_rate_hz": recipe.sample_rate_hz,
        "clip_samples": recipe.clip_samples,
        "gain": recipe.gain,
    }
    waveforms, labels = load(data.part(clips, "train", run.fold), data.classes, **shape)  # (clips, time), (clips,)
    watched = load(data.part(clips, "test" if data.folds else "validation", run.fold), data.classes, **shape)
    class_weights = len(labels) / (len(data.classes) * torch.bincount(labels, minlength=len(data.classes)).float())

    torch.manual_seed(run.seed)
    model = LogMelCnn(CnnSpec(), recipe.front_end, recipe.sample_rate_hz, len(data.classes)).to(device)
    model.cnn.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=optimizer_recipe.learning_rate, weight_decay=optimizer_recipe.weight_decay
    )
    batch, epochs = optimizer_recipe.batch, optimizer_recipe.epochs
    steps = math.ceil(len(labels) / batch)
    autocast = device.type in optimizer_recipe.autocast
    noise_sigma = torch.tensor(augmentation.noise_sigma or (0.0,))

    done = resume(run.folder, model, optimizer)
    bar = tqdm(desc=run.folder.name, total=epochs, initial=done, unit="epoch", position=line)
    for epoch in range(done, epochs):
        torch.manual_seed(10_007 * run.seed + epoch)  # dropout, shifts, masks and order of this epoch
        key = stream_key("train", run.seed, epoch)
        model.train()
        order = torch.randperm(len(labels))
        started, losses = time.perf_counter(), []
        for step in range(steps):
            picked = order[step * batch : (step + 1) * batch]
            clean = shifted(waveforms[picked], augmentation.time_shift_samples).to(device)
            sigma = noise_sigma[torch.randint(len(noise_sigma), (len(picked), 1))].to(device)
            noised = clean + sigma * standard_normal(key, Stage.TRAINING, step, tuple(clean.shape), device)
            with torch.no_grad():
                features = masked(model.features(noised), augmentation.mel_mask_bands, augmentation.time_mask_frames)
            with torch.autocast(device.type, torch.bfloat16) if autocast else nullcontext():
                logits = model.head(features)
            loss = F.cross_entropy(logits.float(), labels[picked].to(device), class_weights.to(device))

            progress = (epoch * steps + step) / (epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = optimizer_recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), optimizer_recipe.gradient_clip)
            optimizer.step()
            losses.append(loss.item())
        bar.update()
        bar.set_postfix(loss=f"{sum(losses) / len(losses):.3f}")
        told = f"epoch {epoch + 1:3d}  loss {sum(losses) / len(losses):.4f}  {time.perf_counter() - started:.0f} s"
        if (epoch + 1) % max(1, epochs // LOOKS) == 0:
            seen = {sigma: accuracy(model, *watched, sigma=sigma, device=device) for sigma in WATCHED_SIGMAS}
            told += "  " + "  ".join(f"sigma {sigma:g}: {share:.3f}" for sigma, share in seen.items())
        checkpoint(run.folder, epoch + 1, model, optimizer, told)
    bar.close()

    write_model(run, model, data, len(labels))
    return run.folder


def write_model(run: Run, model: LogMelCnn, data: DataSet, clips: int) -> None:
    """The run's folder becomes a model folder: weights, then the manifest."""
    recipe = run.recipe
    save_file(
        {name: tensor.contiguous() for name, tensor in model.cpu().cnn.state_dict().items()}, run.folder / WEIGHTS
    )
    write_manifest(
        run.folder,
        ModelManifest(
            name=recipe.name,
            version=recipe.version,
            architecture=CnnSpec(),
            front_end=recipe.front_end,
            classes=data.classes,
            sample_rate_hz=recipe.sample_rate_hz,
            clip_samples=recipe.clip_samples,
            gain=recipe.gain,
            training=Training(
                noise_sigma=recipe.augmentation.noise_sigma,
                epochs=recipe.optimizer.epochs,
                seed=run.seed,
                fold=run.fold,
                clips=clips,
            ),
            recommended_sigma=recipe.card.recommended_sigma,
            data=data.title,
            data_licence=data.licence,
            licence=recipe.card.licence,
            weights_sha256="",  # written from the file
        ),
    )


@torch.inference_mode()
def accuracy(model: LogMelCnn, waveforms: Tensor, labels: Tensor, *, sigma: float, device: torch.device) -> float:
    """Accuracy of the base classifier under one noise draw per clip."""
    model.eval()
    right = 0
    for block, (clean, truth) in enumerate(zip(torch.split(waveforms, 64), torch.split(labels, 64), strict=True)):
        noise = standard_normal(stream_key("validate"), Stage.TRAINING, block, tuple(clean.shape), device)
        right += int((model(clean.to(device) + sigma * noise).argmax(1).cpu() == truth).sum())
    return right / len(labels)


def hold_to_clips(folder: Path, clips: Sequence[Clip]) -> None:
    """A run goes on, or is left alone, only for the clips that it began with. ValueError for others."""
    digest = hashlib.sha256("\n".join(clip.name for clip in clips).encode()).hexdigest()
    begun_with = folder / CLIPS
    if not begun_with.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        begun_with.write_text(digest + "\n")
    elif begun_with.read_text().strip() != digest:
        raise ValueError(f"{folder} was trained on other clips than these {len(clips)}: move it away or name its data.")


def checkpoint(folder: Path, epoch: int, model: LogMelCnn, optimizer: torch.optim.AdamW, told: str) -> None:
    """Everything needed to go on after `epoch` epochs, as safetensors: nothing here is ever unpickled."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{index}.{slot}": tensor.contiguous() for slot, tensor in slots.items()}
    save_file(state, folder / "next.safetensors", metadata={"epoch": str(epoch)})
    (folder / "next.safetensors").replace(folder / f"epoch-{epoch}.safetensors")
    (folder / f"epoch-{epoch - 1}.safetensors").unlink(missing_ok=True)
    with (folder / "log").open("a") as log:
        print(told, file=log)


def resume(folder: Path, model: LogMelCnn, optimizer: torch.optim.AdamW) -> int:
    """Load the last checkpoint of a run, if any; the number of epochs it has behind it."""
    epochs = sorted(int(path.stem.removeprefix("epoch-")) for path in folder.glob("epoch-*.safetensors"))
    if not epochs:
        return 0
    state = load_file(folder / f"epoch-{epochs[-1]}.safetensors")
    model.load_state_dict({k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")})
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        if name.startswith("optimizer."):
            _, index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return epochs[-1]


def numbers(text: str) -> tuple[int, ...]:
    """ "1,2,3" -> (1, 2, 3)"""
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not whole numbers by commas") from None


def sigmas(text: str) -> tuple[float, ...]:
    """ "none" -> (), "0.005" -> (0.005,), "0,0.01" -> (0.0, 0.01)"""
    try:
        found = () if text == "none" else tuple(float(sigma) for sigma in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not none, a number or several by commas") from None
    if not all(0 <= sigma < math.inf for sigma in found):
        raise argparse.ArgumentTypeError(f"{text}: a standard deviation is 0 or more")
    return found


if __name__ == "__main__":
    main()
