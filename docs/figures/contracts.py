"""Draws docs/figures/contracts.svg:  python docs/figures/contracts.py

Where each contract adds its noise, on a recorded "yes", and what a transform after the noise makes of it.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from soundproof.audio import wav
from soundproof.audio.prepare import prepare
from soundproof.nets.folder import load
from soundproof.smoothing.contracts import PostProcessedContract
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key
from soundproof.smoothing.plan import TransformName
from soundproof.smoothing.voting import norm_ratios

ROOT = Path(__file__).parents[2]
SIGMA, SAMPLES = 0.0025, 100
SHOWN_SIGMA = 0.3  # large enough to be seen


def main() -> None:
    plt.rcParams |= {"svg.hashsalt": "soundproof", "font.size": 9}
    model = load(ROOT / "models" / "speech-commands-12")
    manifest = model.manifest
    clip = wav.read((ROOT / "tests" / "clips" / "yes.wav").read_bytes())
    prepared = prepare(
        clip, sample_rate_hz=manifest.sample_rate_hz, clip_samples=manifest.clip_samples, gain=manifest.gain
    )
    x = prepared.x
    noise = standard_normal(stream_key("figure"), Stage.SELECTION, 0, (SAMPLES, len(x))).double()

    figure, (waveform, features, transforms) = plt.subplots(1, 3, figsize=(11.5, 2.9), layout="constrained")
    seconds = np.arange(len(x)) / manifest.sample_rate_hz
    thin = {"linewidth": 0.4, "rasterized": True}
    thin = {"linewidth": 0.4, "rasterized": True}
    waveform.plot(seconds, x + SHOWN_SIGMA * noise[0], color="#d08770", label="x + noise", **thin)
    waveform.plot(seconds, x, color="#2e3440", label="x, gain held fixed", **thin)
    waveform.set(title="waveform: a ball around x", xlabel="seconds", ylabel="amplitude, RMS 1")
    waveform.legend(loc="upper right", frameon=False)

    with torch.inference_mode():
        z = model.classifier.features(x.float().unsqueeze(0))[0]
    eta = standard_normal(stream_key("figure"), Stage.SELECTION, 1, tuple(z.shape))
    image = features.imshow(z + eta, origin="lower", aspect="auto", cmap="magma")
    features.set(title="feature: a ball around z = log-mel(x)", xlabel="frames", ylabel="mel bands")
    figure.colorbar(image, ax=features, label="nats")

    names = list(TransformName)
    ratios = []
    for name in names:
        contract = PostProcessedContract(
            model.classifier, name, prepared.facts.norm / prepared.facts.dimension**0.5, prepared.facts.peak
        )
        perturbation = SIGMA * noise
        ratios.append(float(norm_ratios(contract, x, (x + perturbation).float(), perturbation).mean()))
    transforms.bar([name.value for name in names], ratios, color="#5e81ac")
    transforms.set(yscale="log", ylim=(0.5, 1000), title="post_processed: T after the noise")
    transforms.set_ylabel(f"||T(x + noise) - x|| / ||noise||\nmean, sigma {SIGMA:g}")
    for position, ratio in enumerate(ratios):
        transforms.text(position, ratio * 1.15, f"{ratio:.4g}", ha="center")
    transforms.tick_params(axis="x", labelsize=8)
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None}, dpi=110)


if __name__ == "__main__":
    main()
