"""What training does to clips besides noise."""

import pytest
import torch

from augment import masked, shifted


def test_shifting_moves_a_clip_and_keeps_its_level() -> None:
    torch.manual_seed(0)
    clips, most = torch.randn(40, 500), 30
    moved = shifted(clips, most)
    offsets = set()
    for clip, found in zip(clips, moved, strict=True):
        assert float(found.square().mean().sqrt()) == pytest.approx(float(clip.square().mean().sqrt()), rel=1e-5)
        nonzero = found.nonzero().flatten()
        before, after = int(nonzero[0]), 499 - int(nonzero[-1])
        offset = before or -after
        scale = float(found[250] / clip[250 - offset])
        expected = torch.zeros(500)
        expected[max(offset, 0) : 500 + min(offset, 0)] = clip[max(-offset, 0) : 500 - max(offset, 0)]
        torch.testing.assert_close(found, scale * expected)
        offsets.add(offset)
    assert min(offsets) < 0 < max(offsets)
    assert max(map(abs, offsets)) <= most


def test_a_clip_that_would_be_shifted_out_of_sight_stays() -> None:
    clip = torch.zeros(1, 100)
    clip[0, 0] = 1.0
    torch.manual_seed(0)
    moved = torch.cat([shifted(clip, 50) for _ in range(20)])
    assert (moved.square().sum(dim=1) == 1.0).all()


def test_masking_sets_one_band_and_one_stretch_to_the_clips_mean() -> None:
    torch.manual_seed(0)
    features = torch.randn(50, 64, 101) + torch.arange(50.0).view(-1, 1, 1)
    result = masked(features, 10, 20)
    widths = []
    for before, after in zip(features, result, strict=True):
        changed = before != after
        torch.testing.assert_close(after[changed], before.mean().expand(int(changed.sum())))
        bands, frames = changed.all(dim=1).nonzero().flatten(), changed.all(dim=0).nonzero().flatten()
        for positions, most in ((bands, 10), (frames, 20)):
            assert len(positions) <= most
            assert torch.equal(positions, torch.arange(len(positions)) + (positions[0] if len(positions) else 0))
        expected = torch.zeros_like(changed)
        expected[bands] = True
        expected[:, frames] = True
        assert torch.equal(changed, expected)
        widths.append((len(bands), len(frames)))
    assert max(widths)[0] == 10
    assert min(widths)[0] == 0
