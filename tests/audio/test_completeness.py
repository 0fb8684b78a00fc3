"""Files of which a part is missing, where libsndfile itself would read what is there."""

import pytest
from tests.audio.compressed_files import compressed, flac, noise, same_as_wav

from soundproof.audio.completeness import flac_sum_agrees, mp3_tells_its_length, ogg_is_complete


@pytest.mark.parametrize("name", ["vorbis", "opus"])
def test_an_ogg_file_ends_with_its_last_page(name: str) -> None:
    file = compressed(name)
    assert ogg_is_complete(file)
    assert ogg_is_complete(file + b"more")
    for length in range(0, len(file), 101):
        assert not ogg_is_complete(file[:length])
    assert not ogg_is_complete(file[: file.rindex(b"OggS")])


def test_an_mp3_file_tells_its_length_behind_its_tag() -> None:
    file = compressed("mp3")
    assert mp3_tells_its_length(file)
    assert mp3_tells_its_length(b"ID3\4\0\0" + bytes([0, 0, 0x4E, 0x10]) + bytes(10_000) + file)  # 0x4E * 128 + 0x10
    assert not mp3_tells_its_length(b"ID3\4\0\0" + bytes([0, 0, 0x4E, 0x10]) + b"Info" * 2500 + file[2048:])
    assert not mp3_tells_its_length(b"ID3")


@pytest.mark.parametrize("bits", [16, 24])
def test_a_flac_file_has_the_sum_of_its_samples(bits: int) -> None:
    samples = noise(bits, channels=2, frames=100)
    file, data = flac(samples, bits), same_as_wav(samples, bits)[44:]
    assert flac_sum_agrees(file, data)
    assert not flac_sum_agrees(file, data[:-4])
    assert flac_sum_agrees(file[:26] + bytes(16) + file[42:], data[:-4])
