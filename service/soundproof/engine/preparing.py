"""Clips as a model hears them. The last few are kept: a sweep asks several things of one clip."""

from collections import OrderedDict

import torch

from soundproof.audio.prepare import Prepared, prepare
from soundproof.audio.waveform import Waveform
from soundproof.nets.manifest import ModelManifest

MOST_KEPT = 4


class Preparing:
    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: OrderedDict[tuple[str, str], Prepared] = OrderedDict()

    @torch.inference_mode()
    def prepared(self, clip_sha256: str, waveform: Waveform, manifest: ModelManifest) -> Prepared:
        """On the device. `clip_sha256` names the waveform's rate and samples. Raises the AudioErrors of preparation."""
        key = clip_sha256, manifest.digest
        if key not in self._kept:
            self._kept[key] = prepare(
                waveform,
                sample_rate_hz=manifest.sample_rate_hz,
                clip_samples=manifest.clip_samples,
                gain=manifest.gain,
            ).to(self._device)
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]
