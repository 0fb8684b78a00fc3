"""docs/client.md: every example is run, in order, against a live service, and prints what it says."""

import re
import struct
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT, YES, Service

from soundproof.client.wire import URL

DOCUMENT = ROOT / "docs" / "client.md"
# A block of Python, with what it prints right behind it.
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
HEADER_BYTES = 44


def quieter(wav: bytes) -> bytes:
    count = (len(wav) - HEADER_BYTES) // 2
    samples = struct.unpack_from(f"<{count}h", wav, HEADER_BYTES)
    return wav[:HEADER_BYTES] + struct.pack(f"<{count}h", *(sample // 2 for sample in samples))


@pytest.fixture
def _clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yes = YES.read_bytes()
    (tmp_path / "yes.wav").write_bytes(yes)
    for name, content in {"yes/a": yes, "yes/b": quieter(yes), "no/cut": yes[:1000]}.items():
        clip = tmp_path / "suite" / f"{name}.wav"
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.write_bytes(content)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_clips")
def test_every_example_prints_what_it_says(speech: Service, capsys: pytest.CaptureFixture[str]) -> None:
    text = DOCUMENT.read_text()
    examples = EXAMPLE.findall(text)
    assert len(examples) == text.count("```python")
    assert sum(bool(printed) for _, printed in examples) == text.count("```text")
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for code, printed in examples:
            exec(compile(code.replace(URL, speech.url), DOCUMENT.name, "exec"), names)  # noqa: S102
            assert capsys.readouterr().out == printed, code
    finally:
        names["client"].close()
