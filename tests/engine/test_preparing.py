"""Clips are prepared once for several questions."""

from unittest.mock import Mock

import numpy as np
import pytest
import torch
from tests.conftest import BUNDLED

from soundproof.audio.prepare import prepare
from soundproof.audio.waveform import Waveform
from soundproof.engine.preparing import MOST_KEPT, Preparing
from soundproof.nets.manifest import read_manifest

MANIFEST = read_manifest(BUNDLED)


def waveform(seed: int) -> Waveform:
    samples = 0.1 * np.random.default_rng(seed).standard_normal((1, 8_000))
    return Waveform(samples.astype(np.float32), 8_000)


def test_a_clip_is_prepared_once_while_it_is_among_the_last_few(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Mock(wraps=prepare)
    monkeypatch.setattr("soundproof.engine.preparing.prepare", counting)
    clips = [waveform(seed) for seed in range(MOST_KEPT + 1)]
    at_work = Preparing(torch.device("cpu"))
    first = at_work.prepared(clips[0].digest, clips[0], MANIFEST)
    assert at_work.prepared(clips[0].digest, clips[0], MANIFEST) is first
    assert counting.call_count == 1
    for clip in clips[1:]:
        at_work.prepared(clip.digest, clip, MANIFEST)
    again = at_work.prepared(clips[0].digest, clips[0], MANIFEST)
    assert counting.call_count == MOST_KEPT + 2
    assert torch.equal(again.x, first.x)


def test_another_model_hears_the_clip_anew() -> None:
    clip, at_work = waveform(0), Preparing(torch.device("cpu"))
    one = at_work.prepared(clip.digest, clip, MANIFEST)
    other = at_work.prepared(clip.digest, clip, MANIFEST.model_copy(update={"clip_samples": 4_000}))
    assert len(one.x) == MANIFEST.clip_samples
    assert len(other.x) == 4_000
