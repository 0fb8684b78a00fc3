"""Plan: everything that fixes a certification before the first vote is drawn. No torch here."""

from dataclasses import dataclass
from enum import StrEnum

from soundproof.errors import ImpossiblePlan, InvalidPlan
from soundproof.smoothing.lattice import Lattice, slack_in_sigmas
from soundproof.smoothing.noise_address import Stage, stream_key
from soundproof.stats.bounds import smallest_n
from soundproof.stats.gate import MAX_VOTES
from soundproof.stats.radius import radius_ceiling
from soundproof.stats.slack import NO_SLACK, Slack
from soundproof.terms import Precision

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
DIMENSION_RANGE = (1, 2**31)
TARGET_SNR_DB_RANGE = (-60.0, 200.0)

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


class NoiseName(StrEnum):
    """How the Gaussian noise is drawn and added."""

    FLOAT = "float"  # float32 draws added in float64, the sum rounded: nearly the theorem's Gaussian
    LATTICE = "lattice"  # on a lattice, without error: the theorem holds of what is computed (smoothing/lattice.py)


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

    With `target_snr_db` it is a gate: whether the clip holds down to this SNR in dB, asked with at most n estimation
    votes (smoothing/gated.py). Without, it is the largest radius that n votes prove.

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
    dimension: int  # numbers in the certified point
    noise: NoiseName = NoiseName.FLOAT
    block_samples: int = BLOCK_SAMPLES
    precision: Precision = Precision.FLOAT32
    target_snr_db: float | None = None

    def __post_init__(self) -> None:
        for name, value, (low, high) in (
            ("sigma", self.sigma, SIGMA_RANGE),
            ("alpha", self.alpha, ALPHA_RANGE),
            ("n0", self.n0, N0_RANGE),
            ("n", self.n, N_RANGE),
            ("seed", self.seed, SEED_RANGE),
            ("classes", self.classes, CLASSES_RANGE),
            ("block_samples", self.block_samples, BLOCK_RANGE),
            ("dimension", self.dimension, DIMENSION_RANGE),
        ):
            if not low <= value <= high:  # true of NaN too
                raise InvalidPlan(f"{name} is {value!r}; it must be between {low:.16g} and {high:.16g}.")
        if self.target_snr_db is not None:
            self._check_gate(self.target_snr_db)
        if self.transform is not TransformName.FIXED and self.contract is not ContractName.POST_PROCESSED:
            raise InvalidPlan(
                f"transform {self.transform.value!r} does not go with contract {self.contract.value!r}.",
                "A transform after the noise belongs to contract 'post_processed'.",
            )
        if self.radius_ceiling <= 0:
            needed = smallest_n(self.bound_alpha)
            while radius_ceiling(self.sigma, needed, self.bound_alpha, self.slack) <= 0:
                needed += 1
            raise ImpossiblePlan(
                f"{self.n} votes cannot certify anything at alpha {self.alpha:g}, even when all agree.",
                f"Ask for n of at least {needed}.",
            )

    def _check_gate(self, target_snr_db: float) -> None:
        low, high = TARGET_SNR_DB_RANGE
        if not low <= target_snr_db <= high:
            raise InvalidPlan(f"target_snr_db is {target_snr_db!r}; it must be between {low:g} and {high:g}.")
        if self.contract is ContractName.FEATURE:
            raise InvalidPlan(
                "target_snr_db does not go with contract 'feature': features have no SNR.",
                "Use contract 'waveform' or 'post_processed', or leave target_snr_db out.",
            )
        if self.bound is not BoundName.CLOPPER_PEARSON:
            raise InvalidPlan(
                f"target_snr_db does not go with bound {self.bound.value!r}: a gate has boundaries of its own.",
                "Leave bound out.",
            )
        if self.n > MAX_VOTES:
            raise InvalidPlan(f"n is {self.n}; with target_snr_db it must be at most {MAX_VOTES}.")

    @property
    def bound_alpha(self) -> float:
        """The failure probability left for the bound on the top class; the multi-class bound splits alpha in two."""
        return self.alpha / 2 if self.bound is BoundName.MULTICLASS else self.alpha

    @property
    def radius_ceiling(self) -> float:
        """The radius that unanimous votes give, in the certified space."""
        return radius_ceiling(self.sigma, self.n, self.bound_alpha, self.slack)

    @property
    def lattice(self) -> Lattice | None:
        return Lattice(self.sigma) if self.noise is NoiseName.LATTICE else None

    @property
    def slack(self) -> Slack:
        """What the lattice costs: none without one, which is no proof that float noise deserves none."""
        return self.lattice.slack(self.dimension) if self.lattice else NO_SLACK

    @property
    def slack_in_sigmas(self) -> Slack:
        """At least the slack of this plan with any other sigma, the distance in sigmas."""
        return slack_in_sigmas(self.dimension) if self.lattice else NO_SLACK

    @property
    def noise_stream(self) -> bytes:
        """The stream every draw of this plan comes from. The clip is part of it: clips never share noise. So is the
        lattice: its draws never share a generator's words with float noise."""
        lattice = (self.noise.value,) if self.lattice else ()
        return stream_key(self.seed, self.clip_sha256, *lattice)

    def blocks(self, stage: Stage) -> tuple[Block, ...]:
        """All blocks of a stage, in order; the last may hold fewer samples."""
        return tuple(self._block(stage, index) for index in range(-(-self.samples(stage) // self.block_samples)))

    def samples(self, stage: Stage) -> int:
        """Votes of a stage, at most."""
        return {Stage.SELECTION: self.n0, Stage.ESTIMATION: self.n}.get(stage, 0)

    def _block(self, stage: Stage, index: int) -> Block:
        return Block(stage, index, min(self.block_samples, self.samples(stage) - index * self.block_samples))
