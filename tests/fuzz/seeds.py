"""Write the corpora's first inputs: one of every kind that there is, sound or nearly so.

    python -m tests.fuzz.seeds

What the fuzzers made of them stands beside, under digests; what broke a promise under finding-...
"""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from tests.api.attack import form, part
from tests.api.jobs.archives import END, FILE, header, padded, pax, record, tar_of, tar_of_entry
from tests.audio.compressed_files import ENCODINGS, flac, noise
from tests.audio.compressed_files import compressed as encoded
from tests.audio.wav_bytes import (
    DATA,
    EXTENSIBLE,
    FLOAT,
    FMT,
    LIST,
    ODD,
    encode_floats,
    riff,
    subformat,
    wav_bytes,
)
from tests.fuzz import archives, compressed
from tests.fuzz.claims import VALUES, places
from tests.fuzz.sound_claims import sound
from tests.fuzz.target import CORPUS, LONGEST

from soundproof.audio.compressed import CONTAINERS

FRAMES = bytes(range(24))
CLIP = wav_bytes(FRAMES)
FIELDS = {
    "contract": "post_processed",
    "transform": "clip",
    "sigma": "0.02",
    "n0": "10",
    "n": "200",
    "alpha": "0.001",
    "target_snr_db": "60",
    "noise": "lattice",
    "label": "yes",
    "seed": "7",
}


def main() -> None:
    for name in LONGEST:
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        for seed, content in seeds(name).items():
            (CORPUS / name / seed).write_bytes(content)


def seeds(target: str) -> dict[str, bytes]:
    """The first inputs of a target, by name."""
    made = {
        "wav": wavs,
        "compressed": compressed_files,
        "archives": packed,
        "manifest": manifests,
        "fields": forms,
        "certificate": certificates,
        "claims": claims,
        "answers": answers,
    }
    return dict(made[target]())


def wavs() -> Iterator[tuple[str, bytes]]:
    yield "pcm16", CLIP
    yield "pcm24-stereo", wav_bytes(FRAMES, channels=2, bits=24, after_data=[ODD])
    yield "pcm24-odd", wav_bytes(FRAMES[:3], bits=24)
    yield "pcm32", wav_bytes(FRAMES, bits=32, before_data=[LIST])
    yield "float", wav_bytes(encode_floats([0.1, -0.2, 0.3, 4.0]), tag=FLOAT, channels=2, bits=32, fmt_size=18)
    yield "float-nan", wav_bytes(encode_floats([0.1, float("nan")]), tag=FLOAT, bits=32)
    yield "extensible", wav_bytes(FRAMES, tag=EXTENSIBLE, bits=24, valid_bits=20)
    yield "extensible-float", wav_bytes(encode_floats([0.5]), tag=EXTENSIBLE, bits=32, subformat_guid=subformat(FLOAT))
    yield "extensible-other", wav_bytes(FRAMES, tag=EXTENSIBLE, subformat_guid=bytes(16))
    yield "adpcm", wav_bytes(FRAMES, tag=2, bits=4)
    yield "two-data", riff(FMT, DATA, DATA)
    yield "two-fmt", riff(FMT, FMT, DATA)
    yield "behind-the-end", wav_bytes(FRAMES, after_riff=b"behind")
    yield "sizes-open", wav_bytes(FRAMES, data_size=0xFFFF_FFFF, riff_size=0xFFFF_FFFF)
    yield "rf64", riff(b"ds64", FMT, DATA, magic=b"RF64", size=0xFFFF_FFFF)
    yield "big-endian", riff(FMT, DATA, magic=b"RIFX")


def compressed_files() -> Iterator[tuple[str, bytes]]:
    containers: list[str] = list(CONTAINERS)
    for name, (_, _, container, _) in ENCODINGS.items():
        side = 2 * containers.index(container)
        yield name.replace(" ", "-"), bytes([side + compressed.CHILD]) + encoded(name, frames=600)
        yield f"{name.replace(' ', '-')}-cut", bytes([side + compressed.CHILD]) + encoded(name, frames=600)[:-40]
    silence = np.zeros((compressed.MOST_SAMPLES + 1, 1), np.int32)
    yield "flac-long", bytes([compressed.CHILD]) + flac(silence)
    yield "flac-three-channels", bytes([compressed.CHILD]) + flac(noise(channels=3, frames=50))
    yield "flac-other-rate", bytes([compressed.CHILD]) + flac(noise(frames=50), rate_hz=12_345)
    child = bytes([compressed.SERVICE])
    yield "answer", child + b'{"encoding": "pcm_16", "decoder": "libsndfile 1"}\n' + CLIP
    yield "answer-refused", child + b'{"refused": "malformed_audio", "detail": "d\\ud800", "hint": "h"}\n'
    yield "answer-surrogate", child + b'{"encoding": "pcm_16", "decoder": "\\ud800"}\n' + CLIP
    yield "answer-deep", child + b"[" * 3000 + b"\n"
    yield "answer-list", child + b'["refused"]\n' + CLIP


def packed() -> Iterator[tuple[str, bytes]]:
    two = {"a.wav": FRAMES, "b/c.wav": FRAMES * 4, ".hidden": b"x"}
    as_it_is, tar, tar_gz, put_together = (
        bytes([kind]) for kind in (archives.AS_IT_IS, archives.TAR, archives.TAR_GZ, archives.ZIP)
    )
    yield "zip", as_it_is + zipped(two)
    yield "zip-stored", as_it_is + zipped(two, zipfile.ZIP_STORED)
    yield "zip-manifest", as_it_is + zipped({"manifest.csv": b"path,label\na.wav,yes\n", "a.wav": FRAMES})
    for name, kind in {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT}.items():
        yield f"tar-{name}", tar + tar_of({"a.wav": FRAMES, "b/c.wav": FRAMES}, kind)[:4096]
    yield "tar-long-name", tar + tar_of({"n/" * 100 + "a.wav": FRAMES}, tarfile.GNU_FORMAT)[:4096]
    yield "tar-long-path", tar + tar_of({"n/" * 100 + "a.wav": FRAMES}, tarfile.PAX_FORMAT)[:5120]
    yield "tar-sizes", tar + pax(record(b"size", b"3")) + header(b"a", b"0", 1) + padded(b"xyz") + END
    yield "tar-binary-size", tar + header(b"a", b"0", b"\x80" + bytes(10) + b"\1") + padded(b"x") + END
    yield "tar-sparse", tar + pax(record(b"GNU.sparse.major", b"1")) + FILE + END
    yield "tar-link", tar + tar_of_entry("a.wav", tarfile.SYMTYPE, link="../x")[:1536]
    yield "tar-gz", tar_gz + FILE + END
    packed = gzip.compress(FILE + END, mtime=0)
    yield "gzip-cut", as_it_is + packed[:-4]
    yield "gzip-twice", as_it_is + packed * 2
    yield "gzip-damaged", as_it_is + packed[:20] + b"\xff" + packed[21:]
    yield "zip-large", as_it_is + zipped({"a.wav": bytes(5000), "b.wav": b"b"})
    yield "zip-bomb", as_it_is + zipped({"a.wav": bytes(50_000)})
    for number in range(8):
        yield f"zip-lies-{number}", put_together + bytes((number * 37 + at * at * 11) % 256 for at in range(200))
    yield "zip-truth", put_together + b"\x02" + bytes(60)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The same every time: nothing in it is of today."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return made.getvalue()


def manifests() -> Iterator[tuple[str, bytes]]:
    header_, values = ",".join(FIELDS), ",".join(FIELDS.values())
    yield "csv", f"path,{header_}\na.wav,{values}\nb.wav\n".encode()
    yield "csv-quoted", b'path,label,split\r\n"a, b.wav","y""es",1\r\n"c\nd.wav",,\r\n'
    yield "csv-marked", "\ufeffpath,label\né.wav,ja\n".encode()
    yield "jsonl", "\n".join(json.dumps({"path": f"{name}.wav"} | FIELDS) for name in "ab").encode()
    yield "jsonl-numbers", b'{"path": "a", "n": 200, "sigma": 0.02, "seed": 1e3, "label": null}\n\n{"path":"b","n0":1}'
    yield "jsonl-many-votes", b'{"path": "a", "n": 100000}'
    yield "jsonl-constants", b'{"path": "a", "sigma": NaN}\n{"path": "b", "n": -Infinity}'
    yield "jsonl-surrogate", b'{"path": "a", "label": "\\ud800"}'
    yield "jsonl-twice", b'{"path": "a", "label": "no", "label": "yes"}'
    yield "jsonl-deep", b'{"path":' + b"[" * 500
    yield "jsonl-long-number", b'{"path": "a", "n": ' + b"1" * 400 + b"}"


def forms() -> Iterator[tuple[str, bytes]]:
    audio = part("audio", CLIP, "a.wav")
    fields = [part(name, value) for name, value in FIELDS.items()]
    head = b"multipart/form-data; boundary=boundary\n"
    yield "certify", b"\0\x06" + head + form(audio, *fields)
    yield "sweep", b"\1\0" + head + form(audio, part("settings", "waveform:0.02,clip:1e-3,feature"))
    yield "sweep-all", b"\1\x20" + head + form(part("settings", "peak, rms"), part("confidence", "all"), audio)
    yield "verify", b"\2\x10" + head + form(audio, part("certificate", "{}", "c.json"), part("rerun", "false"))
    yield "verify-text", b"\2\x10" + head + form(audio, part("certificate", "{}"), part("fresh_votes", "0"))
    yield "jobs", b"\3\x08" + head + form(audio, part("audio", CLIP, "b/c.wav"), part("label", "yes"))
    archive, manifest = part("archive", zipped({"a.wav": CLIP}), "a.zip"), part("manifest", "path,n\na.wav,200\n")
    yield "jobs-archive", b"\3\x3f" + head + form(archive, manifest)
    yield "quoted", b"\0\0" + b'Multipart/Form-Data; charset="utf-8"; boundary="a b"\n' + form(audio, boundary=b"a b")
    encoded = b"Content-Disposition: form-data; name*=utf-8''audio; filename*=utf-8''%e2%82%ac.wav\r\n\r\n" + CLIP
    yield "encoded-names", b"\0\0" + head + form(encoded)
    yield "transfer-encoding", b"\0\0" + head + form(b"Content-Transfer-Encoding: base64\r\n" + audio)
    yield "twice", b"\0\0" + head + form(audio, audio)
    yield "cut", b"\0\0" + head + form(audio)[:-4]
    yield "charset", b"\0\0multipart/form-data; charset=utf-7; boundary=boundary\n" + form(audio)
    yield "no-boundary", b"\0\0multipart/form-data\n" + form(audio)


def certificates() -> Iterator[tuple[str, bytes]]:
    kinds = ("plain", "features", "gate", "abstained")
    for kind, document in zip(kinds, sound(), strict=True):
        yield kind, json.dumps(document).encode()
    plain = json.dumps(sound()[0])
    signature = '"signature": {"algorithm": "%s", "key_id": "%s", "value": "%s"}'
    for name, size in {"ed25519": 128, "hmac-sha256": 64}.items():
        signed = signature % (name, "0" * 16, "0" * size)
        yield f"signed-{name}", plain.replace('"signature": null', signed).encode()
    yield "nan", plain.replace('"seed": 7', '"seed": NaN').encode()
    yield "infinite", plain.replace('"queue_s": 0.1', '"queue_s": Infinity').encode()
    yield "twice", plain.replace('"seed": 7', '"seed": 7, "seed": 8').encode()
    yield "surrogate", plain.replace("With confidence", "\\ud800").encode()
    yield "deep", b'{"schema_version": "1", "a": ' + b"[" * 3000


def claims() -> Iterator[tuple[str, bytes]]:
    for kind in range(4):
        yield f"unaltered-{kind}", bytes([kind])
        for place in ("radius_ceiling", "statement"):
            yield f"{place}-{kind}", bytes([kind]) + alteration(sound()[kind], place, 0.5)
        yield f"long-{kind}", bytes([kind]) + alteration(sound()[kind], "statement", "x" * 100_000)
        yield f"altered-{kind}", bytes([kind]) + bytes((kind * 29 + at * at * 7) % 256 for at in range(30))


def alteration(document: dict[str, Any], name: str, value: Any) -> bytes:
    """One value of a certificate as tests/fuzz/claims.py alters it."""
    place = list(places(document)).index((name,))
    return place.to_bytes(2, "little") + bytes([VALUES.index(value)])


def answers() -> Iterator[tuple[str, bytes]]:
    document = json.dumps(sound()[3]).encode()
    told = b'{"type": "urn:x", "title": "t", "status": 429, "detail": "d", "code": "queue_full", "hint": ""}'
    yield "certificate", b"\0\0\n" + document
    yield "kept", b"\3\0\n" + document
    yield "problem", b"\0\x05" + b"30\n" + told
    yield "problem-date", b"\0\x05" + b"Wed, 21 Oct 2015 07:28:00 GMT\n" + told
    yield "proxy", b"\0\x07\n<html>Bad gateway</html>"
    yield "odd-problem", b'\0\x06\n{"code": 1, "detail": [], "hint": null}'
    yield "deep", b"\4\x07\n" + b"[" * 3000
    yield "deep-models", b"\4\0\n" + b"[" * 3000
    yield "models", b'\4\0\n{"default": "a", "models": []}'
    yield "events", b"\5\0\nevent: clip\r\nid: 1\r\ndata: {}\r\n\r\n: comment\n\ndata: a\ndata: b\r\rdata\n\n"
    counted = dict.fromkeys(("total", "queued", "running", "done", "failed", "cancelled"), 0)
    job = {"id": "0", "state": "done", "created_at": "2026-01-01T00:00:00Z", "started_at": None, "finished_at": None}
    rest = {"clips": counted, "samples": {"planned": 0, "done": 0}, "eta_s": None, "expected_end": None, "fields": {}}
    yield "job", b"\6\0\n" + json.dumps(job | rest).encode()


if __name__ == "__main__":
    main()
