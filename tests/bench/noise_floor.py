"""How much of a clip's log-mel picture is quieter than the smoothing noise: the reason behind docs/reproduction.md.

    PYTHONPATH=models python -m tests.bench.noise_floor speech-commands-12 DATA
    PYTHONPATH=models python -m tests.bench.noise_floor esc-10 DATA

DATA is the data set's folder. Prints Markdown: for each sigma the share of (band, frame) cells, over some clips of each
class, whose power is below the mean power of that noise in its band; and the share below the front end's epsilon.
"""

import argparse
from pathlib import Path

import torch

from clips import balanced
from datasets import DATASETS
from soundproof.audio.prepare import prepare
from soundproof.nets.classifier import LogMelCnn
from soundproof.nets.folder import load

MODELS = Path(__file__).parents[2] / "models"
SIGMAS = (0.0025, 0.005, 0.01, 0.02)
CLIPS_PER_CLASS, NOISES = 5, 8


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["speech-commands-12", "esc-10"])
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    model, data = load(MODELS / args.name), DATASETS[args.name]
    manifest = model.manifest
    assert isinstance(model.classifier, LogMelCnn)
    front_end = model.classifier.log_mel
    clips = data.read(args.data)
    chosen = balanced(clips if data.folds else data.part(clips, "test"), data.classes, CLIPS_PER_CLASS)
    waveforms = [
        prepare(
            clip.read(),
            sample_rate_hz=manifest.sample_rate_hz,
            clip_samples=manifest.clip_samples,
            gain=manifest.gain,
        ).x.float()
        for clip in chosen
    ]
    power = torch.stack([front_end(waveform.unsqueeze(0))[0].exp() for waveform in waveforms])
    power -= front_end.spec.log_epsilon  # (clips, mel bands, frames)
    print(f"{args.name}, {len(chosen)} clips\n\n| quieter than | % of cells |\n|---|---|")
    generator = torch.Generator().manual_seed(0)
    for sigma in SIGMAS:
        noise = sigma * torch.randn(NOISES, manifest.clip_samples, generator=generator)
        level = front_end(noise).exp().mean((0, 2)) - front_end.spec.log_epsilon  # (mel bands,)
        print(f"| noise of sigma {sigma:g} | {100 * float((power < level[:, None]).float().mean()):.0f} |")
    share = float((power < front_end.spec.log_epsilon).float().mean())
    print(f"| epsilon, {front_end.spec.log_epsilon:g} | {100 * share:.0f} |")


if __name__ == "__main__":
    main()
