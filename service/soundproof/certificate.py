"""The certificate as a document: its schema, its canonical JSON, its content address, its sentence in plain words.

Units stand in the names or in the descriptions; every radius was rounded down and every SNR up before it got here.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = "1"

# What may differ between two runs that certify the same thing in the same way.
UNADDRESSED = ("certificate_id", "created_at", "service_version", "compute", "signature")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Prediction(_Part):
    index: int = Field(description="position in the model's list of classes")
    label: str


class GainRecord(_Part):
    policy: Literal["rms", "peak", "none"]
    target: float | None = Field(description="RMS or peak after the gain, in amplitude; null without a gain")
    value: float = Field(description="the scalar that was applied, computed once from the clean clip")


class Representation(_Part):
    """How the uploaded samples became the certified point."""

    steps: list[str] = Field(
        description="what was really done, in order: of mono, resample, crop_pad, gain, log_mel or feature_extractor"
    )
    pipeline: str = Field(description="version of what these steps do; docs/contracts.md defines it")
    sample_rate_hz: int
    dimension: int = Field(description="numbers in the certified point")
    shape: list[int] = Field(
        description="the certified point's shape: [samples], or [mel bands, frames] or as the extractor has it"
    )
    gain: GainRecord


class Perturbation(_Part):
    distribution: Literal["gaussian"] = "gaussian"
    norm: Literal["l2"] = "l2"
    space: Literal["waveform", "feature"] = Field(description="where the noise was added and the radius is measured")
    sigma: float = Field(description="standard deviation of the noise per number, in the unit of the space")
    noise: Literal["float", "lattice"] = Field(
        description="float: drawn and added in floating point, nearly the theorem's Gaussian; lattice: whole steps, "
        "added without error, so that the theorem holds of the very numbers that were computed"
    )
    step: float | None = Field(
        description="of the lattice, a power of two, in the unit of the space; null for float noise, like both slacks"
    )
    radius_slack: float | None = Field(
        description="what the radius lost to the lattice: the clip, and whatever is near it, is moved to the nearest "
        "of its points; null for float noise, whose own error nothing accounts for"
    )
    error_slack: float | None = Field(
        description="what the bound on the probability of an error gained, since each number is drawn from 64 bits"
    )


class TransformRecord(_Part):
    name: Literal["fixed", "rms", "clip", "peak", "peak_clean"]
    definition: str = Field(description="what is applied to the noised waveform w, before the classifier")
    level: float | None = Field(description="the constant in the definition: an RMS or a peak amplitude, or null")
    uses_clean_level: bool = Field(
        description="true when the level was taken from the clean clip, so that the certified map belongs to this clip"
    )


class ContractRecord(_Part):
    """What was certified (rho, P, T, m of arXiv:2606.04210)."""

    name: Literal["waveform", "feature", "post_processed"]
    certified_object: str
    representation: Representation
    perturbation: Perturbation
    transform: TransformRecord
    reporting_scale: Literal["snr", "radius"]


class GainRecomputed(_Part):
    radius: float = Field(description="l2, in the file's samples, full scale 1; rounded down")
    snr_db: float | None = Field(description="of the whole file against that radius; rounded up")
    exact: bool = Field(description="false where the radius is a lower bound that is not tight")


class FileDomainRecord(_Part):
    """What the radius means for the samples that were uploaded, of a compressed file as they were decoded: over all
    frames and channels, full scale 1."""

    radius: float = Field(description="l2, with the gain held at its clean value; rounded down")
    snr_db: float | None = Field(description="20 log10(norm of the file / radius), rounded up; null for a silent file")
    radius_dbfs: float = Field(description="level of white noise of that norm over the whole file, 0 dBFS = RMS 1")
    radius_lsb: float | None = Field(
        description="the l2 radius (not per sample) in steps of 16-bit samples; null for a lossy file: it has none"
    )
    operator_norm: float = Field(description="upper bound of the l2 norm of mono mix, resampling and crop/pad together")
    gain_recomputed: GainRecomputed | None = Field(
        description="the same when the gain is computed anew from the perturbed file, as a deployed pipeline does; "
        "null where the transform's level is the clean clip's own, which such a pipeline would compute anew as well"
    )


class Sampling(_Part):
    n0: int = Field(description="selection votes")
    n: int = Field(description="estimation votes")
    alpha: float = Field(description="failure probability of this certificate")
    bound: Literal["clopper_pearson", "multiclass"]
    seed: int
    seed_source: Literal["service", "caller"]
    selection_counts: list[int] = Field(description="selection votes by class")
    counts: list[int] = Field(description="estimation votes by class")
    invalid: int = Field(description="estimation votes whose logits were not finite; they count against every class")
    samples_used: int = Field(description="estimation votes drawn")
    block_samples: int = Field(description="noise samples that share one noise address")
    generator: str = Field(description="what drew the noise; another one draws other noise from the same address")
    precision: Literal["float32", "bfloat16"] = Field(
        description="in which the network computed behind its front end: part of what was certified"
    )
    backend: str = Field(description="the libraries that computed the votes; others may round otherwise")


class GateLook(_Part):
    votes: int = Field(description="estimation votes drawn by then")
    errors: int = Field(description="of these, not for the selected class")
    most_errors: int = Field(description="the boundary: with at most so many errors the gate certifies here")


class GateRecord(_Part):
    """A sequential test of one radius: may the votes so far, looked at only here and there, certify it?"""

    target_snr_db: float = Field(description="what was asked: does the answer hold down to this SNR of the waveform?")
    target_radius: float = Field(description="l2, in the certified space: what that SNR allows; rounded up, and tested")
    null_error: float = Field(
        description="q0, the least probability of an error where that radius does not hold, slack included"
    )
    n: int = Field(description="the most votes that the gate may draw")
    looks: list[GateLook] = Field(
        description="so far, in order; the last decided. None where selection found no class to count errors for"
    )
    hopeless_errors: int = Field(description="with so many errors no later look can certify any more")


class Diagnostics(_Part):
    """How far what the classifier saw departs from the noise drawn. Never part of the guarantee."""

    d_geom: float = Field(description="mean of | ||Delta|| - ||eps|| | / ||eps||")
    effective_norm_ratio: float = Field(description="mean of ||Delta|| / ||eps||")
    samples: int = Field(description="noise samples it was measured on: the selection stage's")


class ModelRecord(_Part):
    name: str
    version: str
    weights_sha256: str
    digest: str = Field(description="SHA-256 of the model's description, weights' digest included")


class Decoding(_Part):
    """How a file that is not WAV became samples."""

    container: Literal["flac", "ogg", "mp3"]
    encoding: Literal["pcm_16", "pcm_24", "vorbis", "opus", "mp3"]
    lossy: bool = Field(
        description="true: the samples are what this decoder makes of the file, and another one may make others"
    )
    decoder: str = Field(description="the library that decoded it, and its version", pattern=r"^[ -~]{1,64}$")


class AudioRecord(_Part):
    sha256: str = Field(description="of the uploaded bytes")
    samples_sha256: str = Field(description="of rate and samples, which name the clip's noise; equal for equal sounds")
    sample_rate_hz: int
    channels: int
    frames: int
    duration_s: float
    rms_dbfs: float | None = Field(description="over all channels, 0 dBFS = RMS 1; null for digital silence")
    peak_dbfs: float | None = Field(description="0 dBFS = full scale; null for digital silence")
    cropped_frames: int = Field(description="frames left out, counted at the model's rate")
    padded_frames: int = Field(description="zeros added, counted at the model's rate")
    decoding: Decoding | None = Field(
        None, exclude_if=lambda decoding: decoding is None, description="left out for a WAV file, which needs none"
    )


class Compute(_Part):
    device: str
    queue_s: float = Field(description="seconds from admission until a worker was given the clip")
    run_s: float = Field(description="seconds from then to the last vote")
    samples_per_second: float = Field(description="noise samples drawn in that time, by that time")


class Signature(_Part):
    """Over the canonical JSON of the whole document without it, hence over what the content address leaves out too."""

    algorithm: Literal["ed25519", "hmac-sha256"] = Field(
        description="ed25519: whoever has the public key can check it; hmac-sha256: only who has the secret"
    )
    key_id: str = Field(description="which key; `soundproof keys show` tells a key's", pattern=r"^[0-9a-f]{16}$")
    value: str = Field(description="the signature, hexadecimal", pattern=r"^([0-9a-f]{64}|[0-9a-f]{128})$")


class CertificateBase(_Part):
    """What both outcomes say, in the order in which it is read; each outcome narrows what it can."""

    schema_version: Literal["1"] = "1"
    certificate_id: str = Field(
        description="sha256: of the canonical JSON without " + ", ".join(UNADDRESSED), pattern=r"^sha256:[0-9a-f]{64}$"
    )
    created_at: str = Field(description="UTC, ISO 8601")
    service_version: str
    outcome: Literal["certified", "abstained"]
    verdict: Literal["certified", "refuted", "undecided", "abstained"] | None = Field(
        description="how the gate ended, where one was asked for; refuted (it cannot certify any more) is no proof "
        "that the clip does not hold"
    )
    statement: str = Field(description="the certificate in one paragraph")
    prediction: Prediction | None
    label: str | None = Field(description="the true class, if the caller gave it")
    correct: bool | None = Field(description="whether the prediction is the label; null without one")
    radius: float | None = Field(description="l2 radius in the certified space, rounded down; a gate's: the one tested")
    radius_unit: str
    snr_cert_db: float | None = Field(
        description="20 log10(norm of the certified waveform / radius) in dB, rounded up; lower is stronger; "
        "a gate's: the target; null for features and for a silent clip"
    )
    p_a_lower: float | None = Field(
        description="lower confidence bound, under noise, of the probability of the class that selection chose"
    )
    saturated: bool = Field(description="all votes agreed: more samples would prove more; false for a gate")
    radius_ceiling: float = Field(description="the radius that unanimous votes would have given, slack included")
    snr_floor_db: float | None = Field(description="the SNR of that ceiling: no certificate of this plan goes below it")
    gate: GateRecord | None = Field(description="null where no target SNR was asked for")
    contract: ContractRecord
    file_domain: FileDomainRecord | None = Field(
        description="null for features (a ball of features is no ball of audio), for an abstention, and where the "
        "rounding of the preparation may use up the radius"
    )
    sampling: Sampling
    diagnostics: Diagnostics
    model: ModelRecord
    audio: AudioRecord
    compute: Compute
    signature: Signature | None = Field(None, description="of the service that issued it; null where that has no key")


class CertifiedCertificate(CertificateBase):
    """With confidence 1 - alpha, the smoothed classifier holds its answer on the ball."""

    outcome: Literal["certified"] = "certified"
    verdict: Literal["certified"] | None
    prediction: Prediction
    radius: float = Field(description="l2 radius in the certified space, rounded down; a gate's: the one tested", gt=0)
    p_a_lower: float = Field(
        description="lower confidence bound, under noise, of the probability of the predicted class"
    )


class AbstainedCertificate(CertificateBase):
    """The votes do not support any radius. An honest answer, not an error."""

    outcome: Literal["abstained"] = "abstained"
    verdict: Literal["refuted", "undecided", "abstained"] | None
    prediction: None = None
    correct: None = None
    radius: None = None
    snr_cert_db: None = None
    saturated: Literal[False] = False
    file_domain: None = None
    reason: str = Field(description="why nothing is certified")


Certificate = Annotated[CertifiedCertificate | AbstainedCertificate, Field(discriminator="outcome")]


def canonical_json(document: Mapping[str, Any]) -> bytes:
    """One byte string per document: keys sorted, no spaces, shortest floats, UTF-8."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def signed_bytes(document: Mapping[str, Any]) -> bytes:
    """What a signature is over: everything but itself."""
    return canonical_json({key: value for key, value in document.items() if key != "signature"})


def content_id(document: Mapping[str, Any]) -> str:
    """The content address of a certificate given as JSON: anyone can recompute it."""
    addressed = {key: value for key, value in document.items() if key not in UNADDRESSED}
    return "sha256:" + hashlib.sha256(canonical_json(addressed)).hexdigest()
