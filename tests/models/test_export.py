"""Our own checkpoint, exported and taken back, votes as it does here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.conftest import BUNDLED, YES
from torch import Tensor

import export
from soundproof.audio import wav
from soundproof.audio.prepare import prepare
from soundproof.nets import exported, onnx_file
from soundproof.nets.classifier import Classifier, LogMelCnn
from soundproof.nets.folder import Model, load
from soundproof.smoothing.contracts import WaveformContract

CPU = torch.device("cpu")
# Where this clip's votes are divided: at less noise all are alike, and would be so for a poor export too.
SIGMA = 0.38
CHUNK = 32
LEAST_AGREEMENT = 0.999


@pytest.fixture(scope="module")
def native() -> Model:
    return load(BUNDLED)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The exports of the bundled model, by suffix."""
    folder = tmp_path_factory.mktemp("exports")
    for suffix in export.EXPORTS:
        export.export(BUNDLED, folder / f"model{suffix}")
    return {suffix: (folder / f"model{suffix}").read_bytes() for suffix in export.EXPORTS}


@pytest.fixture(scope="module")
def others(native: Model, files: dict[str, bytes]) -> dict[str, Classifier]:
    """The exports, read back."""
    manifest = native.manifest
    return {
        ".onnx": onnx_file.load(files[".onnx"], manifest.clip_samples, len(manifest.classes), CPU),
        ".pt2": exported.load(files[".pt2"], manifest.clip_samples, CPU),
    }


def noised(native: Model, samples: int) -> Iterator[Tensor]:
    """(up to CHUNK, time) at a time: the recorded yes at the model's level, with noise; `samples` in all."""
    manifest = native.manifest
    clip = wav.read(YES.read_bytes())
    x = prepare(
        clip, sample_rate_hz=manifest.sample_rate_hz, clip_samples=manifest.clip_samples, gain=manifest.gain
    ).x.float()
    generator = torch.Generator().manual_seed(1)
    for start in range(0, samples, CHUNK):
        yield x + SIGMA * torch.randn(min(CHUNK, samples - start), manifest.clip_samples, generator=generator)


@torch.inference_mode()
def hold_to_agreement(native: Model, others: dict[str, Classifier], samples: int) -> None:
    expected: list[Tensor] = []
    agreed = dict.fromkeys(others, 0)
    for batch in noised(native, samples):
        votes = WaveformContract(native.classifier).decide(batch)
        expected.append(votes)
        for suffix, other in others.items():
            agreed[suffix] += int((WaveformContract(other).decide(batch) == votes).sum())
    shares = torch.bincount(torch.cat(expected)).float() / samples
    assert (shares > 0.2).sum() >= 2, "the votes are too much alike to tell a fault by"
    for suffix, count in agreed.items():
        assert count >= LEAST_AGREEMENT * samples, f"{suffix}: {count} of {samples}"


def test_exports_vote_as_the_native_model_does(native: Model, others: dict[str, Classifier]) -> None:
    hold_to_agreement(native, others, 640)


@pytest.mark.slow
def test_exports_vote_as_the_native_model_does_on_10_000_noise_samples(
    native: Model, others: dict[str, Classifier]
) -> None:
    hold_to_agreement(native, others, 10_000)


@torch.inference_mode()
def test_a_pt2_export_is_the_native_model_bit_for_bit(native: Model, others: dict[str, Classifier]) -> None:
    """As torch computes it: ncnn, which votes on a CPU, rounds otherwise."""
    batch = next(noised(native, CHUNK))
    pt2 = others[".pt2"]
    assert isinstance(native.classifier, LogMelCnn)
    assert torch.equal(pt2.head(pt2.features(batch)), native.classifier(batch))


@torch.inference_mode()
def test_an_export_says_nothing_of_where_it_was_made(files: dict[str, bytes]) -> None:
    for content in files.values():
        assert b".py" not in content
        assert b"site-packages" not in content


def test_the_front_end_of_real_numbers_gives_the_same_features(native: Model) -> None:
    assert isinstance(native.classifier, LogMelCnn)
    batch = next(noised(native, 4))
    found = export.RealLogMel(native.classifier.log_mel)(batch)
    torch.testing.assert_close(found, native.classifier.features(batch), rtol=0, atol=2e-4)


def test_the_command_names_the_suffixes_that_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["export.py", str(BUNDLED), str(tmp_path / "model.bin")])
    with pytest.raises(SystemExit):
        export.main()
    assert "must end in .onnx or .pt2" in capsys.readouterr().err
