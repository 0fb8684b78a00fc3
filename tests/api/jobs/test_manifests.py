"""Manifests: which clips make a job, what is asked of each, and which line is at fault."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from tests.api.attack import part
from tests.api.jobs.archives import tar_of, tgz_of, zip_of
from tests.api.jobs.handing_in import LIMITS, HandedIn, archive, audio, hand_in, refusal

from soundproof.api.jobs.manifest import read_manifest
from soundproof.store.submission import NewClip

unhurried = settings(deadline=None, derandomize=True)

CLIPS = {"a.wav": b"a", "dir/b.wav": b"b", "c.wav": b"c"}
PARTS = [audio(name, content) for name, content in CLIPS.items()]
CSV = "path,label,sigma,n\r\ndir/b.wav,no,0.1,\r\na.wav,,,400\r\n"
JSONL = '{"path": "dir/b.wav", "label": "no", "sigma": 0.1}\n\n{"path": "a.wav", "label": null, "n": 400}'


def own(clip: NewClip) -> tuple[str, str | None, dict[str, object], int]:
    return clip.name, clip.label, clip.overrides, clip.samples_planned


@pytest.mark.parametrize("text", [CSV, "\ufeff" + CSV, JSONL, JSONL + "\n", "\n" + JSONL.replace("\n", "\r\n")])
@pytest.mark.parametrize("as_file", [False, True])
async def test_a_manifest_chooses_orders_and_overrides(text: str, as_file: bool) -> None:
    manifest = part("manifest", text, "whatever.txt" if as_file else None)
    sent = await hand_in(*PARTS, manifest, part("label", "yes"), part("n0", "50"), part("n", "200"))
    assert [own(clip) for clip in sent.job.clips] == [
        ("dir/b.wav", "no", {"sigma": 0.1}, 250),
        ("a.wav", "yes", {"n": 400}, 450),
    ]
    assert sent.audio == [b"b", b"a"]
    assert sent.job.fields == {"label": "yes", "n0": 50, "n": 200}


def wrapped(text: str, name: str) -> list[bytes]:
    return [make({**CLIPS, name: text.encode()}) for make in (zip_of, tar_of, tgz_of)]


@pytest.mark.parametrize(
    ("text", "name"), [(CSV, "manifest.csv"), (JSONL, "./manifest.jsonl"), (CSV, "manifest.jsonl")]
)
async def test_an_archive_may_have_its_own(text: str, name: str) -> None:
    for content in wrapped(text, name):
        sent = await hand_in(archive(content))
        assert [own(clip)[:3] for clip in sent.job.clips] == [
            ("dir/b.wav", "no", {"sigma": 0.1}),
            ("a.wav", None, {"n": 400}),
        ]


async def test_a_part_stands_above_the_archives_own() -> None:
    for content in wrapped("no, list", "manifest.csv"):
        assert (await hand_in(archive(content), part("manifest", CSV))).names == ["dir/b.wav", "a.wav"]


async def test_only_at_the_root_is_it_the_archives_own() -> None:
    [content, *_] = wrapped(CSV, "dir/manifest.csv")
    assert (await hand_in(archive(content))).names == [*CLIPS, "dir/manifest.csv"]


async def test_two_of_them_are_refused() -> None:
    both = {**CLIPS, "manifest.csv": CSV.encode(), "manifest.jsonl": JSONL.encode()}
    assert await refusal(archive(zip_of(both))) == "archive: has both manifest.csv and manifest.jsonl"


async def test_one_that_is_too_large_is_refused() -> None:
    limits = replace(LIMITS, clip_bytes=6 << 20, expanded_bytes=1 << 24, expansion_ratio=2000)
    large = CSV.encode() + b"\n" * (4 << 20)
    assert "4,194,304 bytes" in await refusal(*PARTS, part("manifest", large, "m.csv"), limits=limits)
    own = archive(zip_of({**CLIPS, "manifest.csv": large}))
    assert "4,194,304 bytes" in await refusal(own, limits=limits)
    limits = replace(limits, clip_bytes=4 << 20)
    assert "archive: has a manifest of 4,194,3" in await refusal(own, limits=limits)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "needs a first line with the column path"),
        ("file\na.wav", "needs a first line with the column path"),
        ("path\n", "lists no clip"),
        ("path,path\na.wav,a.wav", "line 1: names the column 'path' more than once"),
        ("path\na.wav\nz.wav", "line 3: 'z.wav' is not among the files that were sent"),
        ("path\na.wav\nc.wav\n./a.wav", "line 4: 'a.wav' is listed in line 2 already"),
        ("path,label\n,yes", "line 2: a clip needs a path"),
        ("path\n../a.wav", "line 2: the name '../a.wav' leads out of its folder"),
        ("path,label\na.wav,yes,no", "line 2: more cells than columns"),
        ('path,label\na.wav,"yes\n', "line 2: not CSV (unexpected end of data)"),
        ("path,sigmaa\na.wav,1", "line 2: 'sigmaa' is not a column; they are path, model"),
        ("path,progress\na.wav,true", "line 2: 'progress' is not a column"),
        ("path,sigma\na.wav,\nc.wav,loud", "line 3: sigma: must be a number between 1e-06 and 1000"),
        ("path,n\na.wav,99999999", "line 2: n: must be a whole number between 1 and 50,000"),
        ("path,contract\na.wav,magic", "line 2: contract: Input should be"),
        ("path,label\na.wav," + 300 * "x", "line 2: label: String should have at most 256 characters"),
        ('{"path": "a.wav"', "line 1: not JSON (Expecting ',' delimiter)"),
        ('{"path": "a.wav"}\n[1]', "line 2: not a JSON object"),
        ('{"path": 1}', "line 1: a clip needs a path"),
        ('{"path": "a.wav", "n": true}', "line 1: n is neither a text nor a number"),
        ('{"path": "a.wav", "label": ["yes"]}', "line 1: label is neither a text nor a number"),
        ('{"path": "a.wav", "label": 5}', "line 1: label: Input should be a valid string"),
        ('{"path": "a.wav", "label": "\\ud800"}', "line 1: label: Input should be a valid string"),
        ('{"path": "\\ud800.wav"}', "line 1: the name '\N{REPLACEMENT CHARACTER}.wav' is not UTF-8"),
        ('{"path": "a.wav", "label": "\\u0000"}', "line 1: label: has a NUL character"),
        ('{"path": "a.wav", "sigma": NaN}', "line 1: sigma: must be a number"),
        ('{"path": "a.wav", "sigma": 1e999}', "line 1: sigma: must be a number"),
        ('{"path": "a.wav", "n": %s}' % ("9" * 4000), "line 1: n: must be a whole number"),
        ('{"path": "a.wav", "sigma": %s}' % ("9" * 4000), "line 1: sigma: must be a number"),
        ('{"path": "a.wav", "n": %s}' % ("9" * 5000), "line 1: not JSON that is read here"),
        ('{"path": %s' % ("[" * 100_000), "line 1: not JSON that is read here"),
    ],
)
async def test_a_manifest_at_fault_refuses_the_whole_and_names_the_line(text: str, detail: str) -> None:
    assert (await refusal(*PARTS, part("manifest", text))).startswith(f"manifest: {detail}")
    assert (await refusal(archive(zip_of(CLIPS)), part("manifest", text))).startswith(f"manifest: {detail}")


async def test_one_that_is_not_utf_8_is_refused() -> None:
    manifest = part("manifest", "path\na.wav,é".encode("latin-1"), "manifest.csv")
    assert await refusal(*PARTS, manifest) == "manifest: is not UTF-8 at byte 11"


async def test_votes_beyond_the_limit_name_the_line() -> None:
    detail = await refusal(*PARTS, part("manifest", "path,n0\na.wav,60000"), code="invalid_plan")
    assert detail == "Line 2 of the manifest: n0 is 60000; this service takes at most 50000 samples a request."


async def test_more_rows_than_a_job_may_have_are_refused() -> None:
    rows = "path\n" + "".join(f"{number}.wav\n" for number in range(LIMITS.clips + 1))
    detail = await refusal(*PARTS, part("manifest", rows), status=413, code="body_too_large")
    assert detail == "The manifest lists more than 20 clips."


async def test_what_data_sets_are_divided_by_says_nothing_here() -> None:
    sent = await hand_in(*PARTS, part("manifest", "path,fold,split\na.wav,1,test\nc.wav,2,train"))
    assert [own(clip)[:3] for clip in sent.job.clips] == [("a.wav", None, {}), ("c.wav", None, {})]


async def test_a_listed_file_that_is_too_large_fails_alone() -> None:
    large = [*PARTS, audio("large.wav", bytes(2000))]
    sent: HandedIn = await hand_in(*large, part("manifest", "path,label\nlarge.wav,yes\na.wav,no"))
    assert sent.audio == [None, b"a"]
    assert sent.job.clips[0].label == "yes"


@unhurried
@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\n\r\\path labeln0123', max_size=200).map(str.encode))
def test_whatever_is_sent_is_a_manifest_or_refused(content: bytes) -> None:
    try:
        listed = read_manifest(content, 5)
    except Exception as error:
        assert type(error).__name__ == "RequestValidationError" or isinstance(error, HTTPException)  # noqa: PT017
    else:
        assert 0 < len(listed) <= 5


@unhurried
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["label", "n", "sigma"]), st.text(min_size=1) | st.integers()),
        min_size=1,
        max_size=5,
    )
)
def test_json_lines_say_what_was_written(rows: list[dict[str, object]]) -> None:
    text = "\n".join(json.dumps({"path": f"{number}.wav", **row}) for number, row in enumerate(rows))
    assert [clip.given for clip in read_manifest(text.encode(), 5)] == rows
