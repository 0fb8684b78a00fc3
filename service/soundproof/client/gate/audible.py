"""The worst clips as cards: what became of them, a spectrogram and a player, their audio within the page."""

import base64
from pathlib import Path

from soundproof.client.gate.audio import wav_bytes
from soundproof.client.gate.markup import text
from soundproof.client.gate.page_parts import kinds, reach
from soundproof.client.gate.report import Report
from soundproof.client.gate.result import Result, digest_of
from soundproof.client.gate.worst import worst

# Bytes of audio: of one clip, and of all in a page, which grows by a third more.
_MOST_OF_ONE, _MOST_IN_ALL = 2 << 20, 12 << 20


def cards(report: Report, most: int) -> str:
    """Up to `most` of them; empty for none."""
    paths = {clip.name: clip.path for clip in report.suite.clips}
    chosen = worst(report.results, report.question, most)
    left = _MOST_IN_ALL
    found = []
    for result, kind in zip(chosen, kinds(chosen, report), strict=True):
        audio = _audio(result, paths[result.clip])
        if audio is not None and len(audio) <= min(left, _MOST_OF_ONE):
            left -= len(audio)
        else:
            audio = None
        found.append(_card(result, kind, audio, report))
    return f"<div class=cards>{''.join(found)}</div>" if found else ""


def _card(result: Result, kind: str, audio: bytes | None, report: Report) -> str:
    standing = result.standing(report.question).value
    facts = [f"class {result.label}"]
    if result.answer is not None and result.answer != result.label:
        facts.append(f"answered {result.answer}")
    if (share := result.error_share) is not None:
        facts.append(
            f"{100 * share:.3g} % errors of {result.votes:,} votes" if result.votes else f"{100 * share:.3g} % errors"
        )
    if far := reach(result, report):
        facts.append(f"{far} dB" if report.question.at_snr_db is not None else f"radius {far}")
    heard = "<p class=silent>Its audio is not in this page.</p>"
    if audio is not None:
        data = base64.b64encode(audio).decode()
        heard = (
            "<canvas class=spectrogram height=128 role=img aria-label='spectrogram'></canvas>"
            f'<audio controls preload=none src="data:audio/wav;base64,{data}"></audio>'
        )
    return (
        f'<article class="card {kind}"><div class=sound>{heard}</div><div class=about>'
        f'<h3>{text(result.clip)}</h3><p><span class="chip {kind}">{text(standing)}</span> {text("; ".join(facts))}</p>'
        f"<details><summary>In words</summary><p>{text(result.statement)}</p></details></div></article>\n"
    )


def _audio(result: Result, path: Path) -> bytes | None:
    """The bytes that were asked about; None where the file has changed or gone since, or never was a clip."""
    if result.certificate is None:
        return None
    try:
        audio = wav_bytes(path)
    except (OSError, ValueError):
        return None
    return audio if digest_of(audio) == result.audio_sha256 else None
