"""What is sent for a clip: WAV files as they are, others decoded without loss, the same bytes every time."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.client.made import tone

from soundproof.audio import wav
from soundproof.client.gate.audio import check_formats, wav_bytes


def test_a_wav_file_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(tone())
    assert wav_bytes(tmp_path / "a.wav") == tone()


@pytest.mark.parametrize(
    ("name", "subtype"), [("a.flac", "PCM_16"), ("a.flac", "PCM_24"), ("a.ogg", "VORBIS"), ("a.aiff", "PCM_16")]
)
def test_other_formats_are_the_samples_that_they_hold(tmp_path: Path, name: str, subtype: str) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2_000, 2))
    soundfile.write(tmp_path / name, samples, 16_000, subtype=subtype)
    held, rate = soundfile.read(tmp_path / name, dtype="float32", always_2d=True)
    sent = wav_bytes(tmp_path / name)
    assert sent == wav_bytes(tmp_path / name)
    read = wav.read(sent)
    assert read.sample_rate_hz == rate
    np.testing.assert_array_equal(read.samples, held.T)


def test_a_file_that_is_none_of_its_name_is_the_clips_own_trouble(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(b"not audio")
    with pytest.raises(ValueError, match=r"a\.flac cannot be decoded"):
        wav_bytes(tmp_path / "a.flac")


def test_without_the_decoder_the_refusal_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['soundfile'] = None\n"
        "from pathlib import Path; from soundproof.client.gate.audio import check_formats\n"
        "from soundproof.client.gate.faults import SuiteFault\n"
        "check_formats([Path('a.wav')])\n"
        "try: check_formats([Path('a.wav'), Path('b.flac')])\n"
        "except SuiteFault as fault: print(fault)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "b.flac is no WAV file" in told
    assert "pip install 'soundproof[audio]'" in told


def test_with_the_decoder_nothing_is_refused() -> None:
    check_formats([Path("a.wav"), Path("b.flac")])
