"""FLAC, Ogg and MP3 through the service: the same certificate as of a WAV file where the samples are the same, and what
is said of those that depend on their decoder."""

import io
import json
import zipfile
from typing import Any

import httpx
import pytest
from tests.api.attack import certificate, problem, upload
from tests.api.verifying import detail, names, verify
from tests.audio.compressed_files import ENCODINGS, RATE_HZ, compressed, flac, noise, same_as_wav
from tests.conftest import TINY_SAMPLES, Service

from soundproof.audio.decoder import installed
from soundproof.certificate import UNADDRESSED, content_id
from soundproof.verify.offline import verify_offline

LOSSY = ("vorbis", "opus", "mp3")
DECODER = installed(("flac", "ogg", "mp3"))


@pytest.mark.parametrize("bits", [16, 24])
def test_a_flac_file_has_the_certificate_of_the_wav_file_with_its_samples(formats: Service, bits: int) -> None:
    samples = noise(bits, channels=2, frames=TINY_SAMPLES)
    lossless = certificate(upload(formats, flac(samples, bits)))
    plain = certificate(upload(formats, same_as_wav(samples, bits)))
    assert lossless["audio"].pop("decoding") == {
        "container": "flac",
        "encoding": f"pcm_{bits}",
        "lossy": False,
        "decoder": DECODER,
    }
    assert lossless["audio"].pop("sha256") != plain["audio"].pop("sha256")
    for each in (lossless, plain):
        for name in UNADDRESSED:
            del each[name]
    assert lossless == plain
    assert plain["outcome"] == "certified"


@pytest.mark.parametrize("name", LOSSY)
def test_a_lossy_files_certificate_is_of_what_this_decoder_makes_of_it(formats: Service, name: str) -> None:
    found = certificate(upload(formats, compressed(name)))
    _, _, container, encoding = ENCODINGS[name]
    expected = {"container": container, "encoding": encoding, "lossy": True, "decoder": DECODER}
    assert found["audio"]["decoding"] == expected
    assert found["file_domain"]["radius"] > 0
    assert found["file_domain"]["radius_lsb"] is None
    assert "In the decoded file's samples" in found["statement"]
    assert f"what {DECODER} decodes it to, and another decoder may give other samples." in found["statement"]
    assert found["certificate_id"] == content_id(found)
    again = certificate(upload(formats, compressed(name)))
    assert again["certificate_id"] == found["certificate_id"]


def test_of_a_wav_file_nothing_is_said_about_decoding(formats: Service) -> None:
    """So its certificate is, byte by byte, what it was before other formats were read."""
    found = certificate(upload(formats, same_as_wav(noise())))
    assert "decoding" not in found["audio"]
    assert found["file_domain"]["radius_lsb"] == found["file_domain"]["radius"] * 32768
    assert "uploaded file's samples" in found["statement"]


@pytest.mark.parametrize("name", ["flac 16", "opus"])
def test_such_a_certificate_is_verified_here_and_offline(formats: Service, name: str) -> None:
    file = compressed(name)
    found = certificate(upload(formats, file))
    report = verify(formats, found, file, fresh_votes=200)
    assert report["result"] == "passed", report
    assert names(report, "skipped") == ["signature"]
    offline = verify_offline(json.dumps(found).encode(), file)
    assert offline.check("document").result == offline.check("audio").result == "passed"


def addressed(found: dict[str, Any], **decoding: Any) -> dict[str, Any]:
    """The certificate with another decoding, or none, under its own address."""
    changed: dict[str, Any] = json.loads(json.dumps(found))
    changed["audio"]["decoding"] |= decoding
    changed["certificate_id"] = content_id(changed)
    return changed


def test_what_is_said_of_the_decoding_is_held_against_the_file(formats: Service) -> None:
    file = compressed("vorbis")
    found = certificate(upload(formats, file))
    for change in ({"encoding": "opus"}, {"container": "mp3"}, {"lossy": False}):
        report = verify(formats, addressed(found, **change), file, rerun=False, fresh_votes=0)
        assert "audio" in names(report, "failed")
        assert "vorbis in ogg, lossy" in detail(report, "audio")


def test_another_version_of_the_decoder_is_no_fault_where_the_samples_are_the_same(formats: Service) -> None:
    file = compressed("flac 16")
    found = addressed(certificate(upload(formats, file)), decoder="libsndfile 1.1.0")
    assert verify(formats, found, file, fresh_votes=0)["result"] == "passed"


def test_another_decoder_that_makes_other_samples_is_named(formats: Service) -> None:
    file = compressed("mp3")
    found = certificate(upload(formats, file))
    found["audio"]["samples_sha256"] = "0" * 64
    report = verify(formats, addressed(found, decoder="libsndfile 1.1.0"), file)
    assert names(report, "failed") == ["audio"]
    assert f"{DECODER} here decodes other samples from it than libsndfile 1.1.0" in detail(report, "audio")
    assert "The decoder here makes another sound of the file." in detail(report, "rerun")


def test_a_sweep_and_a_gate_take_them_too(formats: Service) -> None:
    with formats.client() as client:
        swept = client.post(
            "/certify/sweep",
            files={"audio": compressed("opus")},
            data={"settings": "waveform:0.01,clip:0.01", "n": "200"},
        )
    assert [each["audio"]["decoding"]["encoding"] for each in swept.json()["certificates"]] == ["opus", "opus"]
    assert certificate(upload(formats, compressed("opus"), target_snr_db=65))["verdict"]


@pytest.mark.parametrize(("name", "spoken"), [("flac 16", "a FLAC file"), ("vorbis", "an Ogg file"), ("mp3", "an MP3")])
def test_without_being_allowed_they_are_refused_and_it_is_said_how_to_allow_them(
    service: Service, name: str, spoken: str
) -> None:
    refused = problem(upload(service, compressed(name), name="clip.wav"), 415, "unsupported_audio")
    assert spoken in refused["detail"]
    assert f"SOUNDPROOF_FORMATS={ENCODINGS[name][2]}" in refused["hint"]
    assert "ffmpeg" in refused["hint"]


def test_neither_name_nor_content_type_decides(formats: Service) -> None:
    with formats.client() as client:
        answer = client.post(
            "/certify", files={"audio": ("clip.mp3", compressed("flac 16"), "audio/ogg")}, data={"n": "200"}
        )
    assert certificate(answer)["audio"]["decoding"]["container"] == "flac"


def zipped(clips: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, clip in clips.items():
            archive.writestr(name, clip)
    return file.getvalue()


@pytest.mark.parametrize("archived", [False, True], ids=["parts", "zip"])
def test_a_jobs_clips_may_be_of_any_of_them(formats: Service, archived: bool) -> None:
    clips = {"a.wav": same_as_wav(noise(frames=TINY_SAMPLES)), "b.flac": flac(noise(frames=TINY_SAMPLES))}
    clips |= {f"{name}.bin": compressed(name) for name in LOSSY} | {"z.flac": compressed("flac 16")[:-100]}
    files: list[tuple[str, Any]] = (
        [("archive", ("clips.zip", zipped(clips)))] if archived else [("audio", clip) for clip in clips.items()]
    )
    with formats.client() as client:
        posted = client.post("/jobs", files=files, data={"n": "200", "sigma": "0.01"})
        assert posted.status_code == 202, posted.text
        lines = results(client, posted.json()["id"])
    decodings = [line["certificate"]["audio"].get("decoding") for line in lines if line["state"] == "done"]
    assert [each and each["encoding"] for each in decodings] == [None, "pcm_16", "vorbis", "opus", "mp3"]
    radii = [line["certificate"]["radius"] for line in lines[:2]]
    assert radii[0] == radii[1]
    assert lines[-1]["problem"]["code"] == "malformed_audio"


def results(client: httpx.Client, job: str) -> list[dict[str, Any]]:
    with client.stream("GET", f"/jobs/{job}/events") as events:
        for _ in events.iter_lines():
            pass
    return [json.loads(line) for line in client.get(f"/jobs/{job}/results").text.splitlines()]


def test_the_limits_name_the_formats(formats: Service, service: Service) -> None:
    found = []
    for each in (service, formats):
        with each.client() as client:
            found.append(client.get("/models").json()["limits"]["formats"])
    assert found == [["wav"], ["wav", "flac", "ogg", "mp3"]]


def test_rate_of_the_files_is_that_of_the_tiny_model(formats: Service) -> None:
    """What the test of equal certificates relies on: nothing is resampled."""
    assert certificate(upload(formats, compressed("flac 16")))["audio"]["sample_rate_hz"] == RATE_HZ
