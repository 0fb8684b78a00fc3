"""Compressed files made to harm, and decoders ended from outside: each request is answered, the service goes on."""

import io
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import soundfile
from tests.api.attack import GOOD, MULTIPART, certificate, connection, form, head, part, problem, upload
from tests.api.conftest import MOST_RSS_BYTES
from tests.audio.compressed_files import ENCODINGS, compressed, flac, noise
from tests.conftest import Service

# What a file may be refused with. It is never the service that has failed.
REFUSALS = {
    "malformed_audio": 422,
    "unsupported_audio": 415,
    "unsupported_rate": 422,
    "unsupported_channels": 422,
    "invalid_samples": 422,
    "empty_audio": 422,
    "audio_too_long": 413,
    "silent_audio": 422,
}
HOSTILE = 6  # changed files of each encoding


def decoders(service: Service) -> list[psutil.Process]:
    """The processes that decode now, whether they are alive or not waited for."""
    found = []
    for child in psutil.Process(service.pid).children():
        try:
            if child.status() == psutil.STATUS_ZOMBIE or "soundproof.audio.decode_child" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            pass
    return found


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left(formats: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Afterwards there is no process, descriptor or thread more, and the same certificate is given. The process that
    answers never had the library that decodes."""
    process = psutil.Process(formats.pid)
    before = certificate(upload(formats, GOOD))["certificate_id"]
    certificate(upload(formats, compressed("opus")))
    descriptors, threads = process.num_fds(), process.num_threads()
    yield
    assert certificate(upload(formats, GOOD))["certificate_id"] == before
    eventually(lambda: not decoders(formats))
    eventually(lambda: process.num_fds() <= descriptors)
    eventually(lambda: process.num_threads() <= threads + MOST_THREADS_OF_ITS_POOL)
    assert process.memory_info().rss < MOST_RSS_BYTES
    assert "Traceback" not in formats.log.read_text()
    assert not [mapped.path for mapped in process.memory_maps() if "sndfile" in mapped.path]
    assert not [file for file in process.open_files() if Path(file.path).parent == Path("/tmp")]  # noqa: S108


MOST_THREADS_OF_ITS_POOL = 32  # asyncio's, which grows as it is used


def eventually(holds: Callable[[], bool]) -> None:
    """Asked again and again, within what a decoder's deadline and the end of connections take."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def answered(service: Service, file: bytes) -> None:
    """With a certificate, or a refusal of the file."""
    answer = upload(service, file)
    if not answer.is_success:
        problem(answer, REFUSALS.get(answer.json()["code"], 0), answer.json()["code"])


@pytest.mark.parametrize("name", ENCODINGS)
def test_changed_files_are_certified_or_refused(formats: Service, name: str) -> None:
    """Bytes exchanged, cut out, doubled and moved, as the seed will have it."""
    chance = random.Random(name)  # noqa: S311
    for _ in range(HOSTILE):
        file = bytearray(compressed(name, frames=2000))
        for _ in range(chance.randint(1, 20)):
            at, length = chance.randrange(len(file)), chance.randint(1, 40)
            match chance.randrange(4):
                case 0:
                    file[at : at + length] = chance.randbytes(length)
                case 1:
                    del file[max(at, 4) : at + length]
                case 2:
                    file[at:at] = file[at : at + length]
                case 3:
                    file[at] ^= 1 << chance.randrange(8)
        answered(formats, bytes(file))


@pytest.mark.parametrize("magic", [b"fLaC", b"OggS", b"ID3\4", b"\xff\xfb\x90\xc4"])
def test_garbage_behind_the_magic_is_refused(formats: Service, magic: bytes) -> None:
    for content in (b"", b"\0" * 4000, b"\xff" * 4000, random.Random(1).randbytes(4000), b"Info" + b"\0" * 4000):  # noqa: S311
        problem(upload(formats, magic + content), 422, "malformed_audio")


def test_an_hour_of_silence_in_180_kb_is_refused(formats: Service) -> None:
    bomb = flac(np.zeros((3600 * 16_000, 1), np.int32))
    assert len(bomb) < 200_000
    assert "960,000 frames" in problem(upload(formats, bomb), 413, "audio_too_long")["detail"]


def test_what_would_be_a_larger_wav_file_than_may_be_sent_is_refused(formats: Service) -> None:
    """A minute of 192 kHz in stereo is short enough, and is 88 MiB as the service would hold it."""
    before = psutil.Process(formats.pid).memory_info().rss
    bomb = flac(np.zeros((60 * 192_000, 2), np.int32), rate_hz=192_000)
    assert "2,097,152 frames" in problem(upload(formats, bomb), 413, "audio_too_long")["detail"]
    assert psutil.Process(formats.pid).memory_info().rss - before < 16 << 20


def test_a_length_that_is_a_lie_is_refused(formats: Service) -> None:
    honest = bytearray(flac(noise(frames=2000)))
    for frames in (0, 1999, 2001, 900_000, (1 << 36) - 1):
        lie = bytearray(honest)
        # STREAMINFO's 36 bits of total samples: the lower half of the byte 21, and the four behind it.
        lie[21] = lie[21] & 0xF0 | frames >> 32
        lie[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
        answer = upload(formats, bytes(lie))
        problem(answer, *((422, "malformed_audio") if frames < 960_000 else (413, "audio_too_long")))


@pytest.mark.parametrize("channels", [3, 8])
def test_more_than_two_channels_are_refused(formats: Service, channels: int) -> None:
    refused = problem(upload(formats, flac(noise(channels=channels, frames=500))), 422, "unsupported_channels")
    assert f"{channels} channels" in refused["detail"]


@pytest.mark.parametrize("rate_hz", [1, 12_345, 44_101, 655_350])
def test_odd_rates_are_refused(formats: Service, rate_hz: int) -> None:
    problem(upload(formats, flac(noise(frames=500), rate_hz=rate_hz)), 422, "unsupported_rate")


def test_samples_far_beyond_full_scale_are_refused(formats: Service) -> None:
    file = io.BytesIO()
    loud = 30 * np.random.default_rng(1).standard_normal((4000, 1))
    soundfile.write(file, loud, 16_000, format="OGG", subtype="VORBIS")
    problem(upload(formats, file.getvalue()), 422, "invalid_samples")


def stopped_decoder(service: Service, answers: list[httpx.Response]) -> psutil.Process:
    """The process that decodes an upload, halted. Where that was too quick to be caught, another upload."""
    while True:
        sending = threading.Thread(target=lambda: answers.append(upload(service, compressed("flac 16"))))
        sending.start()
        while sending.is_alive():
            for child in decoders(service):
                child.send_signal(signal.SIGSTOP)
                answers.clear()
                return child
        answers.clear()


def test_a_decoder_that_is_killed_fails_its_own_request_alone(formats: Service) -> None:
    answers: list[httpx.Response] = []
    child = stopped_decoder(formats, answers)
    certificate(upload(formats, compressed("opus")))  # meanwhile
    child.kill()
    eventually(lambda: bool(answers))
    assert "SIGKILL" in problem(answers[0], 503, "decoder_lost")["detail"]


def test_a_decoder_that_hangs_is_ended_after_the_deadline(formats: Service) -> None:
    answers: list[httpx.Response] = []
    child = stopped_decoder(formats, answers)
    eventually(lambda: bool(answers))
    assert "6 s" in problem(answers[0], 503, "decoder_lost")["detail"]
    assert not child.is_running()


def test_a_client_that_leaves_ends_its_decoder(formats: Service) -> None:
    body = form(part("audio", compressed("flac 16"), "a.flac"), part("n", "200"))
    with connection(formats) as leaving:
        leaving.send(head(Content_Type=MULTIPART, Content_Length=len(body)), body)
        eventually(lambda: bool(decoders(formats)))
        child = decoders(formats)[0]
        child.send_signal(signal.SIGSTOP)
    eventually(lambda: not child.is_running())


def test_twenty_at_once_get_the_certificates_that_one_gets(formats: Service) -> None:
    files = [compressed(name) for name in ENCODINGS] * 4
    alone = [certificate(upload(formats, file))["certificate_id"] for file in files[: len(ENCODINGS)]]
    with ThreadPoolExecutor(len(files)) as clients:
        together = list(clients.map(lambda file: certificate(upload(formats, file))["certificate_id"], files))
    assert together == alone * 4
