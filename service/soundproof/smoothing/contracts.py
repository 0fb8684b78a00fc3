"""The three reporting contracts of arXiv:2606.04210, section 4, as what they smooth and around which point.

Each has `anchor` (the certified point), `effective` (what the classifier receives in the anchor's space) and `decide`
(one vote per noised point). Nothing looks across the batch.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from soundproof.audio.prepare import Prepared
from soundproof.nets.classifier import Classifier
from soundproof.smoothing.counting import Decider, votes
from soundproof.smoothing.lattice_noise import snap
from soundproof.smoothing.plan import CLIP_LEVEL, PEAK_LEVEL, ContractName, Plan, TransformName


class Contract(Decider, Protocol):
    def anchor(self, prepared: Prepared) -> Tensor:
        """The certified point: float64, the shape of one element of the certified space."""


@dataclass(frozen=True)
class WaveformContract:
    """Noise on the waveform x, nothing after it: certifies f on a ball of waveforms of a fixed gain."""

    classifier: Classifier

    def anchor(self, prepared: Prepared) -> Tensor:
        return prepared.x  # (time,)

    def effective(self, noised: Tensor) -> Tensor:
        return noised

    def decide(self, noised: Tensor) -> Tensor:
        return votes(self.classifier.head(self.classifier.features(noised)))


@dataclass(frozen=True)
class FeatureContract:
    """Noise on the features z = psi(x): certifies the head on a ball of features, which is no ball of waveforms."""

    classifier: Classifier

    def anchor(self, prepared: Prepared) -> Tensor:
        waveform = prepared.x.float().unsqueeze(0)
        return self.classifier.features(waveform)[0].double()  # (n_mels, frames)

    def effective(self, noised: Tensor) -> Tensor:
        return noised

    def decide(self, noised: Tensor) -> Tensor:
        return votes(self.classifier.head(noised))


@dataclass(frozen=True)
class PostProcessedContract:
    """Noise on the waveform, then a transform T, then f: certifies f o T on the waveform ball, not f.

    `fixed`       T is the identity.
    `rms`         brings the noised clip to the clean clip's RMS, frozen at `clean_rms`.
    `clip`        limits every sample to full scale, [-1, 1].
    `peak`        brings the noised clip to peak 1, whatever the clean clip's peak: a fixed map. It is what the
                  paper's Table 3 measures.
    `peak_clean`  brings the noised clip to the clean clip's peak, frozen at `clean_peak`: the paper's printed
                  formula, x~ max|x| / max|x~|. It hardly moves the clip and does not give Table 3's figures.
    """

    classifier: Classifier
    transform: TransformName
    clean_rms: float
    clean_peak: float

    def anchor(self, prepared: Prepared) -> Tensor:
        return prepared.x  # (time,)

    def effective(self, noised: Tensor) -> Tensor:
        match self.transform:
            case TransformName.FIXED:
                return noised
            case TransformName.CLIP:
                return noised.clamp(-CLIP_LEVEL, CLIP_LEVEL)
            case TransformName.RMS:
                return noised * (self.clean_rms / noised.square().mean(dim=-1, keepdim=True).sqrt())
            case TransformName.PEAK:
                return noised * (PEAK_LEVEL / noised.abs().amax(dim=-1, keepdim=True))
            case TransformName.PEAK_CLEAN:
                return noised * (self.clean_peak / noised.abs().amax(dim=-1, keepdim=True))

    def decide(self, noised: Tensor) -> Tensor:
        return votes(self.classifier.head(self.classifier.features(self.effective(noised))))


def contract_for(plan: Plan, classifier: Classifier, prepared: Prepared) -> Contract:
    """The contract that `plan` names, for one prepared clip."""
    match plan.contract:
        case ContractName.WAVEFORM:
            return WaveformContract(classifier)
        case ContractName.FEATURE:
            return FeatureContract(classifier)
        case ContractName.POST_PROCESSED:
            clean_rms = prepared.facts.norm / prepared.facts.dimension**0.5
            return PostProcessedContract(classifier, plan.transform, clean_rms, prepared.facts.peak)


def centre(plan: Plan, contract: Contract, prepared: Prepared) -> Tensor:
    """The point that `plan`'s noise is drawn around: the certified one, on a lattice the nearest of its points.

    Raises InvalidPlan where the lattice is too fine for the clip's level.
    """
    point = contract.anchor(prepared)
    if plan.lattice is None:
        return point
    if point.numel() != plan.dimension:
        raise ValueError(f"the point has {point.numel()} numbers and the plan {plan.dimension}: its slack is another's")
    return snap(plan.lattice, point)
