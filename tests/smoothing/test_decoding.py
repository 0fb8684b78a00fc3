"""What a certificate says of a file that had to be decoded."""

from dataclasses import replace

import pytest
from tests.smoothing.issuing import CIRCUMSTANCES, PLAN, document

from soundproof.certificate import Decoding, content_id
from soundproof.smoothing.plan import NoiseName

FLAC = Decoding(container="flac", encoding="pcm_16", lossy=False, decoder="libsndfile 1.2.2")
OPUS = Decoding(container="ogg", encoding="opus", lossy=True, decoder="libsndfile 1.2.2")


def test_of_a_lossless_file_everything_else_is_what_it_is_of_a_wav_file() -> None:
    plain, lossless = document(), document(circumstances=replace(CIRCUMSTANCES, decoding=FLAC))
    assert lossless["audio"].pop("decoding") == FLAC.model_dump()
    assert "decoding" not in plain["audio"]
    assert lossless["certificate_id"] != plain["certificate_id"] == content_id(plain)
    for each in (plain, lossless):
        del each["certificate_id"], each["created_at"]
    assert lossless == plain


@pytest.mark.parametrize("noise", list(NoiseName))
def test_of_a_lossy_file_the_units_are_those_of_its_decoded_samples(noise: NoiseName) -> None:
    plan = replace(PLAN, noise=noise)
    plain, lossy = document(plan), document(plan, circumstances=replace(CIRCUMSTANCES, decoding=OPUS))
    assert lossy["file_domain"]["radius_lsb"] is None
    assert lossy["file_domain"] | {"radius_lsb": 0} == plain["file_domain"] | {"radius_lsb": 0}
    assert plain["file_domain"]["radius_lsb"] == plain["file_domain"]["radius"] * 32768
    assert lossy["statement"] == plain["statement"].replace("uploaded file's samples", "decoded file's samples") + (
        " The uploaded file is Ogg Opus: the clip is what libsndfile 1.2.2 decodes it to, and another decoder may give "
        "other samples."
    )
