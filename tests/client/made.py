"""Questions, certificates and results made by hand, from the certificate that the documents show."""

import copy
import hashlib
import io
import json
import math
import struct
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

from soundproof.client.gate.comparison import Comparison
from soundproof.client.gate.decision import Bar, Decision
from soundproof.client.gate.journal import PastRun
from soundproof.client.gate.question import Question
from soundproof.client.gate.report import Report
from soundproof.client.gate.result import Result, Trouble
from soundproof.client.gate.suite import Clip, Suite

EXAMPLE: dict[str, Any] = json.loads((ROOT / "service" / "soundproof" / "api" / "certificate.json").read_text())
CLASSES = ("no", "off", "yes")
DIGEST = EXAMPLE["model"]["digest"]
GATE = Question(
    model="speech-commands-12", model_version="1", model_digest=DIGEST, contract="waveform", alpha=0.001, at_snr_db=70.0
)
CURVE = GATE.model_copy(update={"curve": True})


def certificate(
    outcome: str = "certified",
    *,
    label: str = "yes",
    answer: str = "yes",
    snr: float = 70.0,
    sound: str = "0" * 64,
    errors: int = 0,
    gate: bool = True,
    floor: float = 65.0,
) -> dict[str, Any]:
    """`outcome`: a verdict of the gate, or certified or abstained. A whole certificate, valid for the client."""
    made = copy.deepcopy(EXAMPLE)
    certified = outcome == "certified"
    made |= {"outcome": "certified" if certified else "abstained", "label": label, "snr_floor_db": floor}
    made["verdict"] = outcome if gate else None
    made["audio"] |= {"sha256": sound, "samples_sha256": sound}
    made["sampling"] = {"precision": "float32", "backend": "torch 2.11.0"} | made["sampling"]
    made["sampling"] |= {"samples_used": 361 if gate else 10_000, "counts": [0] * 11 + [10_000 - errors]}
    if gate:
        looks = [] if outcome == "abstained" else [{"votes": 361, "errors": errors, "most_errors": 0}]
        made["gate"] = {
            "target_snr_db": 70.0,
            "target_radius": 0.04,
            "null_error": 0.02275,
            "n": 10_000,
            "looks": looks,
            "hopeless_errors": 181,
        }
        made["sampling"]["counts"] = [0] * 10 + [errors, 361 - errors]
        made["saturated"] = False
    if certified:
        radius = made["radius_ceiling"] * 10 ** ((EXAMPLE["snr_floor_db"] - snr) / 20)
        made |= {"correct": answer == label, "snr_cert_db": snr, "radius": radius}
        made["prediction"] = {"index": 11, "label": answer}
        made["statement"] = f"With confidence 99.9 %, the smoothed classifier answers {answer!r} down to {snr} dB."
    else:
        made |= {"correct": None, "prediction": None, "radius": None, "snr_cert_db": None, "file_domain": None}
        made |= {"saturated": False, "reason": f"{outcome} for a test", "statement": f"{outcome.capitalize()}: a test."}
    return made


def sound_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def result(name: str, outcome: str = "certified", *, label: str = "yes", **more: Any) -> Result:
    """Of a clip with a sound of its own; `outcome` refused: a problem."""
    about = {"clip": name, "label": label, "audio_sha256": sound_of(name), "fields": more.pop("fields", {})}
    if outcome == "refused":
        return Result(**about, problem=Trouble(code="malformed_wav", detail="The data end early. Write it again."))
    made = certificate(outcome, label=label, **({"sound": sound_of(name), "answer": label} | more))
    return Result(**about, certificate=made)


def several(**counts: int) -> list[Result]:
    """So many clips of every outcome; `wrong` are certified with another answer."""
    made = []
    for outcome, count in counts.items():
        for i in range(count):
            other = {"answer": "no"} if outcome == "wrong" else {}
            made.append(result(f"yes/{outcome}-{i}.wav", "certified" if outcome == "wrong" else outcome, **other))
    return made


def report(
    results: Sequence[Result],
    *,
    question: Question = GATE,
    least: float = 0.9,
    confidence: float = 0.95,
    past: PastRun | None = None,
    allowed: float | None = None,
    root: Path = Path("/nowhere"),
) -> Report:
    clips = tuple(Clip(r.clip, root / r.clip, r.label) for r in results)
    comparison = Comparison.of(past, results, question, allowed) if past is not None else None
    decision = Decision.of(Bar(least, confidence), results, question)
    return Report("speech-commands-12 1", Suite(clips), question, results, decision, comparison)


def tone(frequency_hz: float = 440.0, seconds: float = 0.5, rate: int = 16_000, level: float = 0.3) -> bytes:
    """A WAV file of a tone with a rising overtone."""
    frames = bytearray()
    for i in range(int(seconds * rate)):
        t = i / rate
        value = level * math.sin(2 * math.pi * frequency_hz * t) + 0.2 * level * math.sin(2 * math.pi * 2000 * t * t)
        frames += struct.pack("<h", round(32767 * value))
    file = io.BytesIO()
    with wave.open(file, "wb") as sink:
        sink.setnchannels(1)
        sink.setsampwidth(2)
        sink.setframerate(rate)
        sink.writeframes(bytes(frames))
    return file.getvalue()
