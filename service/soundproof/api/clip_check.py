"""The check of a certificate that holds the clip against what the certificate says of it."""

import math

from soundproof.api.uploads import Clip
from soundproof.certificate import Decoding
from soundproof.smoothing.recount import Issued
from soundproof.verify.report import Check

_LEVEL_DB = 1e-9


def check_clip(stated: Issued, clip: Clip) -> Check:
    audio, waveform = stated.audio, clip.waveform
    compared = {
        "sha256": (audio.sha256, clip.audio_sha256),
        "samples_sha256": (audio.samples_sha256, clip.samples_sha256),
        "sample_rate_hz": (audio.sample_rate_hz, waveform.sample_rate_hz),
        "channels": (audio.channels, waveform.channels),
        "frames": (audio.frames, waveform.frames),
        "duration_s": (audio.duration_s, waveform.duration_s),
        "rms_dbfs": (audio.rms_dbfs, waveform.rms_dbfs),
        "peak_dbfs": (audio.peak_dbfs, waveform.peak_dbfs),
        "decoding": (_of_the_file(audio.decoding), _of_the_file(clip.decoding)),
    }
    wrong = [f"{name} is {found}, not {said}" for name, (said, found) in compared.items() if not _same(said, found)]
    if not wrong:
        return Check.of("audio", "passed", "The file's bytes and samples are those named, and so are their levels.")
    faults = "; ".join(wrong)
    if is_decoded_otherwise(stated, clip):
        said, found = audio.decoding, clip.decoding
        return Check.of(
            "audio",
            "failed",
            f"It is the very file, but {found and found.decoder} here decodes other samples from it than "
            f"{said and said.decoder} did for the certificate (another version of it or of its codecs, or another kind "
            f"of processor): {faults}.",
        )
    same_sound = audio.samples_sha256 == clip.samples_sha256
    file_alone = same_sound and {name for name, pair in compared.items() if not _same(*pair)} <= {"sha256", "decoding"}
    remark = " The sound is the same: only the file is another." if file_alone else ""
    return Check.of("audio", "failed", f"It is not the clip that is named: {faults}.{remark}")


def is_decoded_otherwise(stated: Issued, clip: Clip) -> bool:
    """Whether it is the file that is named, and the decoder here makes another sound of it. A lossy format leaves that
    to its decoders; of a WAV file or a lossless one all make the same."""
    return (
        stated.audio.decoding is not None
        and clip.decoding is not None
        and stated.audio.sha256 == clip.audio_sha256
        and stated.audio.samples_sha256 != clip.samples_sha256
    )


def _of_the_file(decoding: Decoding | None) -> str:
    """What a file is encoded in. Another version of the decoder is no fault as long as the samples are the same."""
    if decoding is None:
        return "WAV"
    return f"{decoding.encoding} in {decoding.container}, {'lossy' if decoding.lossy else 'lossless'}"


def _same(said: object, found: object) -> bool:
    if isinstance(said, float) and isinstance(found, float):
        return math.isclose(said, found, rel_tol=0.0, abs_tol=_LEVEL_DB)
    return said == found
