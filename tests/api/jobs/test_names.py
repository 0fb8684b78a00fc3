"""Names of clips: what is taken, and that nothing else is, wherever it comes from."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.api.attack import part
from tests.api.jobs.archives import tar_of, zip_of
from tests.api.jobs.handing_in import archive, audio, hand_in, refusal

from soundproof.api.jobs.name import MOST_BYTES, BadName, clip_name, hidden

unhurried = settings(deadline=None, derandomize=True)

BAD = {
    "": "has no name",
    ".": "has no name",
    "/etc/passwd": "is not relative",
    "//host/a.wav": "is not relative",
    "C:/a.wav": "is not relative",
    "c:a.wav": "is not relative",
    "../a.wav": "leads out of its folder",
    "a/../b.wav": "leads out of its folder",
    "a/..": "leads out of its folder",
    "a\\b.wav": "has a backslash",
    "a\tb.wav": "has a control character",
    "a\x1b[2J.wav": "has a control character",
    "a\x85b.wav": "has a control character",
    "a" * 256: "is longer than 255 bytes",
    "é" * 128: "is longer than 255 bytes",
}


@pytest.mark.parametrize(("name", "why"), BAD.items())
def test_a_bad_name_is_refused_with_the_reason(name: str, why: str) -> None:
    with pytest.raises(BadName, match=why):
        clip_name(name)


@pytest.mark.parametrize("name", ["a\0b.wav", "caf\udce9.wav"])
def test_what_no_text_can_hold_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        clip_name(name)


@pytest.mark.parametrize(
    ("sent", "name"), [("./a.wav", "a.wav"), ("a//./b.wav", "a/b.wav"), ("12:30 é.wav", "12:30 é.wav")]
)
def test_a_name_has_one_form(sent: str, name: str) -> None:
    assert clip_name(sent) == name


@unhurried
@given(st.text(alphabet=st.characters() | st.sampled_from("./\\:\0~"), max_size=300))
@example("a/." * 100)
def test_a_name_that_is_taken_stays_in_its_folder_and_is_its_own_name(sent: str) -> None:
    try:
        name = clip_name(sent)
    except BadName:
        return
    parts = name.split("/")
    assert not {"", ".", ".."} & set(parts)
    assert len(name.encode()) <= MOST_BYTES
    assert clip_name(name) == name


@pytest.mark.parametrize("name", [".a.wav", "a/._b.wav", ".git/a.wav", "__MACOSX/a.wav"])
def test_the_systems_own_files_are_hidden(name: str) -> None:
    assert hidden(name)
    assert not hidden("yes/a.b.wav")
    assert not hidden("yes/__MACOSX")


@pytest.mark.parametrize("name", [name for name in BAD if name and name.isprintable()])
async def test_no_way_in_takes_a_bad_name(name: str) -> None:
    if "\\" not in name:  # what a form's reader makes of one is another matter
        assert BAD[name] in await refusal(audio(name))
    assert BAD[name] in await refusal(archive(zip_of({name: b"x"})))
    assert BAD[name] in await refusal(archive(tar_of({name: b"x"})))
    manifest = part("manifest", f"path\n{name}\n")
    assert BAD[name] in await refusal(audio("a.wav"), manifest) or name == "."


async def test_names_that_are_not_utf_8_are_refused() -> None:
    latin = b'Content-Disposition: form-data; name="audio"; filename="caf\xe9.wav"\r\n\r\nx'
    assert await refusal(latin) == "audio: has a filename that is not UTF-8"
    zipped = zip_of({"cafe.wav": b"x"}).replace(b"cafe", b"caf\xe9")
    assert await refusal(archive(zipped)) == "archive: has a name that is not UTF-8"
    tarred = tar_of({"caf\udce9.wav": b"x"})
    assert "is not UTF-8" in await refusal(archive(tarred))


async def test_names_in_utf_8_are_kept() -> None:
    name = "ja/はい é.wav"
    for content in (zip_of({name: b"x"}), tar_of({name: b"x"})):
        assert (await hand_in(archive(content))).names == [name]
    unmarked = bytearray(zip_of({"\N{LATIN SMALL LETTER E WITH ACUTE}.wav": b"x"}))
    for at in (6, unmarked.index(b"PK\x01\x02") + 8):  # the mark of UTF-8, as old tools leave it out
        unmarked[at + 1] &= ~0x08
    assert (await hand_in(archive(bytes(unmarked)))).names == ["é.wav"]
    assert (await hand_in(audio(name))).names == [name]
