"""The recorded word as a model hears it."""

from tests.conftest import YES

from soundproof.audio import wav
from soundproof.audio.prepare import Prepared, prepare
from soundproof.nets.manifest import ModelManifest


def heard(manifest: ModelManifest) -> Prepared:
    return prepare(
        wav.read(YES.read_bytes()),
        sample_rate_hz=manifest.sample_rate_hz,
        clip_samples=manifest.clip_samples,
        gain=manifest.gain,
    )
