"""A .pt2 program run step by step answers what torch itself answers, and is refused where it is no classifier."""

import functools
import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.nets.pt2_files import BATCH, CLASSES, CLIP, PROGRAM, Tiny, refusal, saved, tiny, with_json
from torch import Tag, Tensor, nn

from soundproof.nets.checked import CHECKED
from soundproof.nets.chunk import MOST_CLIPS
from soundproof.nets.exported import load
from soundproof.nets.operators import ATEN, HELD
from soundproof.nets.pt2_program import LARGEST_BATCH

CPU = torch.device("cpu")


class Mixed(nn.Module):
    """Convolution, batch norm, dropout, attention, a recurrence and a few shapes: what audio models are made of."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv = nn.Conv1d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm1d(8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, activation="gelu")
        self.gru = nn.GRU(8, 4, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(8, CLASSES)

    def forward(self, waveform: Tensor) -> Tensor:
        frames = self.norm(self.conv(waveform.unsqueeze(1))).transpose(1, 2)
        first, second = self.layer(frames).chunk(2, dim=1)
        spectrum = torch.fft.rfft(first - second, dim=1)
        power = torch.log(spectrum.real.square() + spectrum.imag.square() + 1e-3)
        states, _ = self.gru(power)
        logits: Tensor = self.linear(self.dropout(states.masked_fill(states < -10, float("-inf")).amax(dim=1)))
        return logits


class Elsewhere(Tiny):
    """Names devices and types, as code that was written for one machine does."""

    def forward(self, waveform: Tensor) -> Tensor:
        ramp = torch.arange(CLIP, dtype=torch.float64, device="cpu")
        doubled = waveform.to("cpu", torch.float64) * ramp + torch.zeros(CLIP, device="cpu")
        return super().forward(doubled.to(torch.float32, copy=True))


NETWORKS: dict[str, type[nn.Module]] = {"tiny": Tiny, "mixed": Mixed, "elsewhere": Elsewhere}


@functools.cache
def exported(network: str, decomposed: bool) -> bytes:
    return saved(NETWORKS[network]().eval(), decomposed=decomposed)


def answered_by_torch(content: bytes, waveform: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logits: Tensor = torch.export.load(io.BytesIO(content)).module()(waveform)
    return logits


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("decomposed", [True, False])
@torch.inference_mode()
def test_a_program_answers_what_torch_answers_bit_for_bit(network: str, decomposed: bool) -> None:
    content = exported(network, decomposed)
    waveform = torch.randn(5, CLIP, generator=torch.Generator().manual_seed(2))
    model = load(content, CLIP, CPU)
    assert torch.equal(model.head(model.features(waveform)), answered_by_torch(content, waveform))


@torch.inference_mode()
def test_a_program_keeps_nothing_between_two_batches() -> None:
    model = load(exported("mixed", True), CLIP, CPU)
    batches = [torch.randn(size, CLIP, generator=torch.Generator().manual_seed(size)) for size in (1, 4, 128)]
    first = [model.head(batch) for batch in batches]
    assert all(torch.equal(model.head(batch), before) for batch, before in zip(batches, first, strict=True))


def test_every_listed_overload_is_torchs_and_pure_or_held_to_be() -> None:
    for name in ATEN:
        operator, _, text = name.partition(".")
        overload = getattr(getattr(torch.ops.aten, operator), text)
        assert not overload._schema.is_mutable, name
        assert Tag.nondeterministic_seeded not in overload.tags or operator in HELD, name
        assert "filename" not in str(overload._schema), name
    assert set(CHECKED) <= ATEN


def test_the_largest_batch_is_the_one_that_certification_runs() -> None:
    assert max(MOST_CLIPS.values()) <= LARGEST_BATCH


class InPlace(Tiny):
    def forward(self, waveform: Tensor) -> Tensor:
        return super().forward(waveform).relu_()


class Counting(Tiny):
    def forward(self, waveform: Tensor) -> Tensor:
        self.scale.add_(1)
        return super().forward(waveform)


class Noisy(Tiny):
    def forward(self, waveform: Tensor) -> Tensor:
        return super().forward(waveform) + torch.rand(CLASSES)


class Forgetful(Tiny):
    def forward(self, waveform: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(waveform), 0.5, training=True)


class Both(Tiny):
    def forward(self, waveform: Tensor) -> Any:
        logits = super().forward(waveform)
        return logits, logits + 1


class Pair(Tiny):
    def forward(self, waveform: Tensor, other: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(waveform + other)


def pair() -> bytes:
    clips = torch.zeros(2, CLIP)
    return saved(Pair(), clips, clips, shapes=({0: BATCH}, {0: BATCH}))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (lambda: saved(InPlace(), decomposed=False), "relu_"),
        (lambda: saved(Counting()), "buffer_mutation"),
        (lambda: saved(Noisy()), "aten.rand.default"),
        (lambda: saved(Forgetful(), decomposed=False), "dropout"),
        (lambda: saved(Both()), "it has 2 outputs"),
        (pair, "takes 2 inputs"),
        (lambda: saved(Tiny(), shapes=({},)), "batch size is not free"),
        (
            lambda: saved(Tiny(), shapes=({0: torch.export.Dim("batch", max=64)},)),
            "batch size may not exceed 64; 128 are needed",
        ),
        (lambda: saved(Tiny().double(), torch.zeros(2, CLIP).double()), "not (batch, time) float32"),
        (lambda: saved(Tiny(), torch.zeros(2, 1, CLIP)), "not (batch, time) float32"),
    ],
)
def test_a_program_that_is_no_classifier_of_waveforms_is_refused(content: Callable[[], bytes], named: str) -> None:
    assert named in refusal(content())


def test_a_program_for_another_length_is_refused() -> None:
    assert "takes clips of 16 samples, the manifest says 17" in refusal(tiny(), CLIP + 1)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda p: p["schema_version"].update(major=9), "schema is 9, not 8"),
        (lambda p: p.update(surprise=1), "surprise: Extra inputs are not permitted"),
        (lambda p: p["graph_module"]["graph"].pop("nodes"), "graph_module.graph.nodes: Field required"),
        (lambda p: p["graph_module"]["graph"]["nodes"].clear(), "never computes its output"),
        (lambda p: p["graph_module"]["graph"]["nodes"].reverse(), "before it is computed"),
        (lambda p: p["graph_module"]["graph"]["nodes"].append(p["graph_module"]["graph"]["nodes"][0]), "twice"),
        (lambda p: p["graph_module"]["graph"]["inputs"].reverse(), "inputs are not those of its signature"),
    ],
)
def test_a_program_that_is_not_of_the_schema_is_refused(change: Callable[[Any], object], named: str) -> None:
    assert named in refusal(with_json(tiny(), PROGRAM, change))
