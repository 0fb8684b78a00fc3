"""Forms with audio parts: what becomes of them, and what is refused with which words."""

import hashlib
from dataclasses import replace

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from tests.api.attack import BOUNDARY, form, part
from tests.api.jobs.handing_in import CLIP, LIMITS, answer, archive, audio, hand_in, refusal

from soundproof.api.fields import CertifyFields, ClipFields
from soundproof.api.jobs.intake import job_form_schema, read_job


async def test_parts_become_clips_in_their_order() -> None:
    sent = await hand_in(audio("b.wav", b"two"), audio("dir/a.wav", b"one"), audio("empty.wav", b""), part("n", "500"))
    assert sent.names == ["b.wav", "dir/a.wav", "empty.wav"]
    assert sent.audio == [b"two", b"one", b""]
    assert [clip.samples_planned for clip in sent.job.clips] == [600, 600, 600]
    assert sent.job.idempotency_key is None


async def test_a_job_holds_what_was_given_and_nothing_else() -> None:
    fields = [part("sigma", "0.1"), part("label", "yes"), part("bound", "multiclass"), part("seed", "7")]
    sent = await hand_in(audio("a.wav"), *fields)
    assert sent.job.fields == {"sigma": 0.1, "label": "yes", "bound": "multiclass", "seed": 7}
    [clip] = sent.job.clips
    assert (clip.label, clip.overrides) == ("yes", {})


async def test_the_same_submission_is_the_same_content() -> None:
    form_ = (audio("a.wav"), audio("b.wav", b"b"), part("n", "500"))
    first, second = await hand_in(*form_), await hand_in(*form_)
    other = await hand_in(*form_, part("seed", "1"))
    assert first.job.content_sha256 == second.job.content_sha256 != other.job.content_sha256


async def test_a_file_that_is_too_large_fails_alone_and_by_name() -> None:
    large = b"RIFF" + bytes(1000)
    sent = await hand_in(audio("a.wav"), audio("large.wav", large), audio("z.wav"))
    assert sent.audio == [CLIP, None, CLIP]
    failed = sent.job.clips[1]
    assert failed.audio_sha256 == hashlib.sha256(large).hexdigest()
    assert failed.problem is not None
    assert failed.problem.keys() == {"type", "title", "status", "detail", "code", "hint"}
    assert (failed.problem["code"], failed.problem["status"]) == ("audio_too_long", 413)
    assert "1,004 bytes" in failed.problem["detail"]


async def test_a_file_of_just_the_limit_is_taken() -> None:
    [content] = (await hand_in(audio("a.wav", bytes(LIMITS.clip_bytes)))).audio
    assert content == bytes(LIMITS.clip_bytes)


async def test_many_parts_in_one_piece_keep_their_own_content() -> None:
    contents = [bytes([number]) * (number % 3) for number in range(LIMITS.clips)]
    sent = await hand_in(*(audio(f"{number}.wav", content) for number, content in enumerate(contents)))
    assert sent.audio == contents


async def test_parts_of_a_form_in_tiny_pieces_keep_their_own_content() -> None:
    body = form(audio("a.wav", b"\r\n--bound\r\n--"), audio("b.wav", b"--boundary"), part("n", "500"))
    received = iter(body)

    async def pieces() -> dict[str, object]:
        byte = next(received, None)
        return {"type": "http.request", "body": b"" if byte is None else bytes([byte]), "more_body": byte is not None}

    headers = [(b"content-type", b"multipart/form-data; boundary=" + BOUNDARY)]
    request = Request({"type": "http", "method": "POST", "path": "/jobs", "headers": headers}, pieces)
    async with read_job(request, LIMITS) as job:
        assert [clip.audio() for clip in job.clips] == [b"\r\n--bound\r\n--", b"--boundary"]


@pytest.mark.parametrize("key", ["k", "a" * 255, '"job-1"', "!~"])
async def test_an_idempotency_key_goes_to_the_job(key: str) -> None:
    assert (await hand_in(audio("a.wav"), headers={"Idempotency-Key": key})).job.idempotency_key == key


@pytest.mark.parametrize("key", ["", "a" * 256, "two words", "caf\xe9", "tab\t"])
async def test_an_idempotency_key_that_is_none_is_refused(key: str) -> None:
    detail = await refusal(audio("a.wav"), headers={"Idempotency-Key": key.encode("latin-1")})  # type: ignore[dict-item]
    assert detail == "Idempotency-Key: must be 1 to 255 visible ASCII characters, once"


async def test_two_idempotency_keys_are_refused() -> None:
    headers = [(b"content-type", b"multipart/form-data; boundary=x"), *2 * [(b"idempotency-key", b"k")]]
    request = Request({"type": "http", "method": "POST", "path": "/jobs", "headers": headers})
    with pytest.raises(RequestValidationError):
        async with read_job(request, LIMITS):
            pytest.fail("there is no job")


@pytest.mark.parametrize(
    ("parts", "detail"),
    [
        ([part("n", "500")], "audio: a file part is required for each clip, or one named archive for all of them"),
        ([part("audio", "text")], "audio: must be a file part, with a filename"),
        ([part("archive", "text")], "archive: must be a file part, with a filename"),
        ([audio("a.wav"), archive(b"PK")], "archive: may not be given beside audio"),
        ([archive(b"PK"), archive(b"PK")], "archive: may be given once only"),
        ([audio("a.wav"), audio("./a.wav")], "audio: two parts have the filename 'a.wav'"),
        ([audio("a.wav"), part("n", "200"), part("n", "200")], "n: may be given once only"),
        ([audio("a.wav"), part("n", b"200", "n.txt")], "n: must be a text field, not a file"),
        ([audio("a.wav"), part("manifest", "path\na.wav"), part("manifest", "path")], "manifest: may be given once"),
        ([audio("a.wav"), *2 * [part("manifest", b"path\na.wav", "m.csv")]], "manifest: may be given once only"),
        ([audio("a.wav"), part("sigma", "loud")], "sigma: must be a number between 1e-06 and 1000"),
        ([audio("a.wav"), part("n", "60000000")], "n: must be a whole number between 1 and 50,000"),
        ([audio("a.wav"), part("progress", "true")], "progress: is not a field of this form; they are audio, archive"),
        ([audio("a.wav"), part("sigmaa", "1")], "sigmaa: is not a field of this form; they are audio, archive, mani"),
        ([audio("a.wav"), part("label", "a\0b")], "label: has a NUL character"),
    ],
)
async def test_a_form_that_cannot_be_meant_is_refused(parts: list[bytes], detail: str) -> None:
    assert (await refusal(*parts)).startswith(detail)


async def test_more_votes_than_the_service_takes_are_refused() -> None:
    assert "n0 is 50001" in await refusal(audio("a.wav"), part("n0", "50001"), code="invalid_plan")


async def test_more_clips_than_a_job_may_have_are_refused() -> None:
    parts = [audio(f"{number}.wav") for number in range(LIMITS.clips)]
    assert len((await hand_in(*parts)).names) == LIMITS.clips
    for more in (1, 5):
        extra = [audio(f"more-{number}.wav") for number in range(more)]
        detail = await refusal(*parts, *extra, status=413, code="body_too_large")
        assert detail == "The job has more than 20 clips."


async def test_more_bytes_than_a_job_may_have_are_refused() -> None:
    limits = replace(LIMITS, expanded_bytes=1500)
    parts = [audio("a.wav", bytes(800)), audio("b.wav", bytes(800))]
    assert "1,500 bytes together" in await refusal(*parts, limits=limits, status=413, code="body_too_large")


@pytest.mark.parametrize(("name", "most"), [("label", 1024), ("manifest", 4 << 20)])
async def test_texts_are_bounded(name: str, most: int) -> None:
    detail = await refusal(audio("a.wav"), part(name, "x" * (most + 1)), status=400, code="bad_request")
    assert f"maximum size of {most // 1024}KB" in detail


@pytest.mark.parametrize("cut", [3, 5, 40, 200])
async def test_a_form_that_is_cut_short_is_refused(cut: int) -> None:
    answered, taken = await answer(form(audio("a.wav"), audio("b.wav"))[:-cut])
    assert not taken
    assert (answered.status_code, answered.json()["code"]) == (400, "bad_request")


async def test_a_body_that_is_no_form_is_refused() -> None:
    answered, _ = await answer(b"{}", headers={"Content-Type": "application/json"})
    assert (answered.status_code, answered.json()["code"]) == (415, "unsupported_media_type")


def test_a_job_takes_every_field_of_a_clip_but_progress() -> None:
    assert set(CertifyFields.model_fields) - set(ClipFields.model_fields) == {"progress"}
    assert set(job_form_schema()["properties"]) == {"audio", "archive", "manifest", *ClipFields.model_fields}
