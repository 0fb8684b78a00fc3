"""Plan: everything that fixes a certification before the first vote is drawn. No torch here."""

from dataclasses import dataclass
from enum import StrEnum

from soundproof.errors import ImpossiblePlan, InvalidPlan
from soundproof.smoothing.noise_address import Stage, stream_key
from soundproof.stats.bounds import smallest_n
from soundproof.stats.radius import radius_ceiling

# Noise samples that share one address. Part of the plan: another size would be other noise.
BLOCK_SAMPLES = 128

# Inclusive ranges. Below the least sigma the noise drowns in float32 rounding of samples of size 1.
SIGMA_RANGE = (1e-6, 1e3)
ALPHA_RANGE = (1e-9, 0.5)
N0_RANGE = (1, 100_000)
N_RANGE = (1, 10_000_000)
SEED_RANGE = (0, 2**53 - 1)  # whole numbers that JSON readers keep exactly
CLASSES_RANGE = (2, 10_000)
BLOCK_RANGE = (1, 65_536)

# The constants of the transforms 'clip' and 'peak', in amplitude.
CLIP_LEVEL = 1.0
PEAK_LEVEL = 1.0


class ContractName(StrEnum):
    """Where the noise is added, hence what is certified (arXiv:2606.04210, section 4)."""

    WAVEFORM = "waveform"
    FEATURE = "feature"
    POST_PROCESSED = "post_processed"


class TransformName(StrEnum):
    """What is applied to the noised waveform before the classifier, under the post-processed contract."""

    FIXED = "fixed"
    RMS = "rms"
    CLIP = "clip"
    PEAK = "peak"
    PEAK_CLEAN = "peak_clean"


class BoundName(StrEnum):
    CLOPPER_PEARSON = "clopper_pearson"
    MULTICLASS = "multiclass"


@dataclass(frozen=True)
class Block:
    """`samples` noise samples of one stage, at one noise address."""

    stage: Stage
    index: int
    samples: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One certification: n0 selection votes, then n estimation votes, at noise `sigma` in the contract's space.

    Raises InvalidPlan for a value outside its range and ImpossiblePlan, naming the n it would need, when not even
    unanimous votes could certify.
    """

    model: str
    model_digest: str
    classes: int
    contract: ContractName
    transform: TransformName
    sigma: float
    n0: int
    n: int
    alpha: float
    bound: BoundName
    seed: int
    clip_sha256: str
    block_samples: int = BLOCK_SAMPLES

    def __post_init__(self) -> None:
        for name, value, (low, high) in (
            ("sigma", self.sigma, SIGMA_RANGE),
            ("alpha", self.alpha, ALPHA_RANGE),
            ("n0", self.n0, N0_RANGE),
            ("n", self.n, N_RANGE),
            ("seed", self.seed, SEED_RANGE),
            ("classes", self.classes, CLASSES_RANGE),
            ("block_samples", self.block_samples, BLOCK_RANGE),
        ):
            if not low <= value <= high:  # true of NaN too
                raise InvalidPlan(f"{name} is {value!r}; it must be between {low:.16g} and {high:.16g}.")
        if self.transform is not TransformName.FIXED and self.contract is not ContractName.POST_PROCESSED:
            raise InvalidPlan(
                f"transform {self.transform.value!r} does not go with contract {self.contract.value!r}.",
                "A transform after the noise belongs to contract 'post_processed'.",
            )
        needed = smallest_n(self.bound_alpha)
        if self.n < needed:
            raise ImpossiblePlan(
                f"{self.n} votes cannot certify anything at alpha {self.alpha:g}, even when all agree.",
                f"Ask for n of at least {needed}.",
            )

    @property
    def bound_alpha(self) -> float:
        """The failure probability left for the bound on the top class; the multi-class bound splits alpha in two."""
        return self.alpha / 2 if self.bound is BoundName.MULTICLASS else self.alpha

    @property
    def radius_ceiling(self) -> float:
        """The radius that unanimous votes give, in the certified space."""
        return radius_ceiling(self.sigma, self.n, self.bound_alpha)

    @property
    def noise_stream(self) -> bytes:
        """The stream every draw of this plan comes from. The clip is part of it: clips never share noise."""
        return stream_key(self.seed, self.clip_sha256)

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """All blocks of a stage, in order; the last may hold fewer samples."""
        return tuple(self._block(stage, index) for index in range(-(-self._samples(stage) // self.block_samples)))

    def __contains__(self, block: Block) -> bool:
        """Whether `block` is one of this plan's."""
        first = block.index * self.block_samples
        return 0 <= first < self._samples(block.stage) and block == self._block(block.stage, block.index)

    def _samples(self, stage: Stage) -> int:
        return {Stage.SELECTION: self.n0, Stage.ESTIMATION: self.n}.get(stage, 0)

    def _block(self, stage: Stage, index: int) -> Block:
        return Block(stage, index, min(self.block_samples, self._samples(stage) - index * self.block_samples))
