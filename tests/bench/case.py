"""What every contender is asked, and what it answers: one clip, one model, one noise level, so many votes."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from soundproof.audio import wav
from soundproof.audio.prepare import prepare
from soundproof.nets.manifest import ModelManifest

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
MODEL = "speech-commands-12"
YES = ROOT / "tests" / "clips" / "yes.wav"
N0, N, ALPHA, SIGMA = 100, 10_000, 0.001, 0.02
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Case:
    """`target_snr_db`: asked of a gate only; `seed`: for the service, the others draw on as they come."""

    model: str = MODEL
    sigma: float = SIGMA
    n0: int = N0
    n: int = N
    alpha: float = ALPHA
    seed: int = 0
    target_snr_db: float | None = None
    precision: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`top`: the selected class; `count`: the estimation votes for it; `n`, `votes`: those cast in estimation and in
    all; `radius`: in waveform amplitude, None if it abstained; `cpu_s`, `peak_mib`: what all its threads computed, and
    the most resident memory it held, meanwhile."""

    top: int
    count: int
    n: int
    votes: int
    radius: float | None
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0


def waveform(manifest: ModelManifest) -> Tensor:
    """The clip as the model hears it: (time,) float32."""
    prepared = prepare(
        wav.read(YES.read_bytes()),
        sample_rate_hz=manifest.sample_rate_hz,
        clip_samples=manifest.clip_samples,
        gain=manifest.gain,
    )
    return prepared.x.float()
