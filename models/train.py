"""Train the paper's log-mel CNN with Gaussian waveform augmentation and write a model folder.

    python models/train.py models/recipes/speech-commands-12.toml DATA_FOLDER [--out models/speech-commands-12]

One straight run: read the recipe, load the clips, train, write model.json and weights.safetensors. It resumes from
runs/<name>/ when a run of the same recipe was interrupted; every epoch's randomness is fixed by (seed, epoch), so an
interrupted run ends where an undisturbed one does. `models/evaluate.py` then measures the result and writes CARD.md.
"""

import argparse
import hashlib
import json
import math
import time
import tomllib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

import datasets
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.manifest import WEIGHTS, ModelManifest, Training, write_manifest
from soundproof.nets.specs import CnnSpec, LogMelSpec
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key
from soundproof.terms import Gain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("data", type=Path, help="the data set's folder")
    parser.add_argument("--out", type=Path, help="the model folder to write (default: models/<name>)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    recipe: dict[str, Any] = tomllib.loads(args.recipe.read_text())
    out = args.out or Path("models") / recipe["name"]
    train(recipe, args.data, out, torch.device(args.device))


def train(recipe: dict[str, Any], data: Path, out: Path, device: torch.device) -> None:  # noqa: PLR0915  (one straight run)
    optimizer_recipe, augmentation = recipe["optimizer"], recipe["augmentation"]
    gain = Gain(**recipe["gain"])
    rate, length = recipe["sample_rate_hz"], recipe["clip_samples"]
    classes = datasets.CLASSES_12

    clips = datasets.speech_commands(data)
    split = {
        name: datasets.load(
            [clip for clip in clips if clip.split == name],
            classes,
            sample_rate_hz=rate,
            clip_samples=length,
            gain=gain,
        )
        for name in ("train", "validation")
    }
    waveforms, labels = split["train"]  # (clips, time) float32, (clips,)
    class_weights = len(labels) / (len(classes) * torch.bincount(labels, minlength=len(classes)).float())

    torch.manual_seed(recipe["seed"])
    architecture, front_end = CnnSpec(), LogMelSpec(**recipe["front_end"])
    model = LogMelCnn(architecture, front_end, rate, len(classes)).to(device)
    model.cnn.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=optimizer_recipe["learning_rate"], weight_decay=optimizer_recipe["weight_decay"]
    )
    batch, epochs = optimizer_recipe["batch"], optimizer_recipe["epochs"]
    steps_per_epoch = math.ceil(len(labels) / batch)
    autocast = device.type in optimizer_recipe["autocast"]

    run = Path("runs") / recipe["name"] / run_name(recipe, len(labels))
    first_epoch = resume(run, model, optimizer)
    for epoch in range(first_epoch, epochs):
        torch.manual_seed(10_007 * recipe["seed"] + epoch)  # dropout, shifts, masks and order of this epoch
        model.train()
        order = torch.randperm(len(labels))
        started, losses = time.perf_counter(), []
        bar = tqdm(range(steps_per_epoch), desc=f"epoch {epoch + 1}/{epochs}", unit="batch", leave=False)
        for step in bar:
            picked = order[step * batch : (step + 1) * batch]
            key = stream_key("train", recipe["seed"], epoch)
            clean = shifted(waveforms[picked], augmentation["time_shift_samples"]).to(device)
            sigma = torch.tensor(augmentation["noise_sigma"])[
                torch.randint(len(augmentation["noise_sigma"]), (len(picked), 1))
            ].to(device)
            noised = clean + sigma * standard_normal(key, Stage.TRAINING, step, tuple(clean.shape), device)
            with torch.no_grad():
                features = masked(
                    model.features(noised), augmentation["mel_mask_bands"], augmentation["time_mask_frames"]
                )
            with torch.autocast(device.type, torch.bfloat16) if autocast else nullcontext():
                logits = model.head(features)
            loss = F.cross_entropy(logits.float(), labels[picked].to(device), class_weights.to(device))

            progress = (epoch * steps_per_epoch + step) / (epochs * steps_per_epoch)
            for group in optimizer.param_groups:
                group["lr"] = optimizer_recipe["learning_rate"] * 0.5 * (1 + math.cos(math.pi * progress))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), optimizer_recipe["gradient_clip"])
            optimizer.step()
            losses.append(loss.item())
            bar.set_postfix(loss=f"{sum(losses) / len(losses):.3f}")
        accuracy = {s: evaluate(model, *split["validation"], sigma=s, device=device) for s in (0.0, 0.0025, 0.02)}
        shown = "  ".join(f"sigma {s:g}: {a:.3f}" for s, a in accuracy.items())
        print(
            f"epoch {epoch + 1:3d}  loss {sum(losses) / len(losses):.4f}  validation {shown}"
            f"  {time.perf_counter() - started:.0f} s",
            flush=True,
        )
        checkpoint(run, epoch + 1, model, optimizer)

    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in model.cpu().cnn.state_dict().items()}
    save_file(weights, out / WEIGHTS)
    card = recipe["card"]
    write_manifest(
        out,
        ModelManifest(
            name=recipe["name"],
            version=recipe["version"],
            architecture=architecture,
            front_end=front_end,
            classes=classes,
            sample_rate_hz=rate,
            clip_samples=length,
            gain=gain,
            training=Training(
                noise_sigma=tuple(augmentation["noise_sigma"]), epochs=epochs, seed=recipe["seed"], clips=len(labels)
            ),
            recommended_sigma=card["recommended_sigma"],
            data=card["data"],
            data_licence=card["data_licence"],
            licence=card["licence"],
            weights_sha256="",  # written from the file
        ),
    )
    print(f"wrote {out}")


def run_name(recipe: dict[str, Any], clips: int) -> str:
    """Names a run by all that it depends on, so that a changed recipe never resumes another's checkpoint."""
    return hashlib.sha256(json.dumps([recipe, clips], sort_keys=True).encode()).hexdigest()[:12]


def shifted(waveforms: Tensor, most: int) -> Tensor:
    """Each clip moved by up to `most` samples either way, zeros moving in, brought back to its own RMS.

    (batch, time) -> (batch, time).
    """
    batch, time_samples = waveforms.shape
    offsets = torch.randint(-most, most + 1, (batch, 1))
    index = torch.arange(time_samples) - offsets
    moved = waveforms.gather(1, index.clamp(0, time_samples - 1)) * ((index >= 0) & (index < time_samples))
    before, after = waveforms.square().mean(1, keepdim=True), moved.square().mean(1, keepdim=True)
    return torch.where(after > 0.01 * before, moved * (before / after.clamp_min(1e-12)).sqrt(), waveforms)


def masked(features: Tensor, mel_bands: int, frames: int) -> Tensor:
    """One band of mel channels and one stretch of frames per clip set to the clip's mean (Park et al. 2019).

    (batch, n_mels, frames) -> same.
    """
    filled = features.mean(dim=(1, 2), keepdim=True)
    for dim, most in ((1, mel_bands), (2, frames)):
        size = features.shape[dim]
        width = torch.randint(0, most + 1, (len(features), 1), device=features.device)
        start = (torch.rand(len(features), 1, device=features.device) * (size - width)).long()
        position = torch.arange(size, device=features.device)
        inside = (position >= start) & (position < start + width)  # (batch, size)
        features = torch.where(inside.unsqueeze(3 - dim), filled, features)
    return features


@torch.inference_mode()
def evaluate(model: LogMelCnn, waveforms: Tensor, labels: Tensor, *, sigma: float, device: torch.device) -> float:
    """Accuracy of the base classifier under one noise draw per clip."""
    model.eval()
    right = 0
    for block, (clean, truth) in enumerate(zip(torch.split(waveforms, 64), torch.split(labels, 64), strict=True)):
        noise = standard_normal(stream_key("validate"), Stage.TRAINING, block, tuple(clean.shape), device)
        right += int((model(clean.to(device) + sigma * noise).argmax(1).cpu() == truth).sum())
    return right / len(labels)


def checkpoint(run: Path, epoch: int, model: LogMelCnn, optimizer: torch.optim.AdamW) -> None:
    """Everything needed to go on after `epoch` epochs, as safetensors: nothing here is ever unpickled."""
    run.mkdir(parents=True, exist_ok=True)
    state = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{index}.{slot}": tensor.contiguous() for slot, tensor in slots.items()}
    save_file(state, run / "next.safetensors", metadata={"epoch": str(epoch)})
    (run / "next.safetensors").replace(run / f"epoch-{epoch}.safetensors")
    (run / f"epoch-{epoch - 1}.safetensors").unlink(missing_ok=True)


def resume(run: Path, model: LogMelCnn, optimizer: torch.optim.AdamW) -> int:
    """Load the last checkpoint of `run`, if any; the number of epochs it has behind it."""
    epochs = sorted(int(path.stem.removeprefix("epoch-")) for path in run.glob("epoch-*.safetensors"))
    if not epochs:
        return 0
    state = load_file(run / f"epoch-{epochs[-1]}.safetensors")
    model.load_state_dict({k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")})
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        if name.startswith("optimizer."):
            _, index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    print(f"resuming after epoch {epochs[-1]}")
    return epochs[-1]


if __name__ == "__main__":
    main()
