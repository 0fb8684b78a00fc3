"""What the fuzzers have found, each by itself and in words."""

import asyncio
import gc
import io
import json
import tempfile
import zipfile
from functools import partial
from typing import Any, cast
from unittest.mock import MagicMock, patch

import httpx
import pytest
from tests.api.attack import GOOD, MULTIPART, chunked, connection, form, head, part, problem
from tests.api.jobs.handing_in import archive, audio, refusal
from tests.conftest import ROOT, Service
from tests.fuzz.fields import _read
from tests.fuzz.intake import outcome, run

from soundproof.api.fields import CertifyFields
from soundproof.api.jobs.runner import Runner
from soundproof.client import wire
from soundproof.client.problem import ProblemError
from soundproof.errors import ClaimLost


async def test_a_zip_entry_without_a_name_is_refused() -> None:
    """zipfile fails with an IndexError when it is asked whether that is a folder."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr(zipfile.ZipInfo("a.wav"), b"x")
    nameless = made.getvalue().replace(b"a.wav", b"\0.wav")
    assert "a control character" in await refusal(archive(nameless))


async def test_a_name_that_comes_twice_in_a_line_of_a_manifest_is_refused() -> None:
    """As a column that comes twice is: which of them was meant, nobody can tell."""
    manifest = part("manifest", '{"path": "a.wav", "label": "no", "label": "yes"}')
    assert "line 1: an object names something more than once" in await refusal(audio("a.wav"), manifest)


def test_the_file_of_a_form_that_is_cut_short_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tempfile.SpooledTemporaryFile[bytes]] = []

    class Opened(tempfile.SpooledTemporaryFile[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            opened.append(self)

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Opened)
    cut = form(part("audio", GOOD, "a.wav"))[:-10]
    assert "closing boundary" in str(outcome(lambda: run(_read(CertifyFields, MULTIPART.encode(), cut, len(cut)))))
    assert [file.closed for file in opened] == [True]


@pytest.mark.parametrize("body", [b'{"code": 1, "detail": [], "hint": null}', b"[" * 100_000, b'["code"]', b"\xff"])
def test_an_answer_of_no_sense_is_an_error_of_the_clients_own(body: bytes) -> None:
    with pytest.raises(ProblemError) as told:
        wire.models().result(httpx.Response(502, content=body))
    assert (told.value.status, told.value.code) == (502, "http_error")


def test_a_success_of_no_sense_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="recursion limit"):
        wire.models().result(httpx.Response(200, content=b"[" * 100_000))


def test_every_method_of_an_address_is_named_where_another_was_tried(service: Service) -> None:
    with service.client() as client:
        refused = client.put("/jobs/0")
    problem(refused, 405, "method_not_allowed")
    assert refused.headers.get_list("allow") == ["DELETE, GET, HEAD"]


def test_a_request_may_ask_in_several_headers_not_to_be_kept(service: Service) -> None:
    """RFC 9110, section 5.3: several of one name are one, separated by commas."""
    body = form(part("audio", GOOD, "a.wav"), part("n", "210"))
    headers = [("Content-Type", MULTIPART), ("Cache-Control", "max-age=0"), ("Cache-Control", "no-store")]
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for _ in range(2):
            assert client.post("/certify", content=body, headers=headers).headers["cached"] == "false"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_whether_a_body_is_a_form_does_not_depend_on_its_pieces(size: int) -> None:
    """Behind a line end in front the parser skipped what is no boundary, but only to the end of a piece."""
    whole = form(part("audio", GOOD, "a.wav"))
    for front, read in ((b"", True), (b"\r\n\n", True), (b"\r\nx", False), (b"x", False)):
        body = front + whole
        found = outcome(partial(run, _read(CertifyFields, MULTIPART.encode(), body, size)))
        assert isinstance(found, tuple) == read, front


async def test_a_job_that_is_cancelled_twice_leaves_no_exception_behind() -> None:
    """The second time meets the clip on its way back to the queue; the store says later that it was settled."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    asked, settled = asyncio.Event(), asyncio.Event()

    class Held:
        async def call(self, _: object) -> None:
            asked.set()
            await settled.wait()
            raise ClaimLost("It was settled meanwhile.")

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    runner = Runner(cast(Any, Held()), MagicMock(), places=1)
    with patch.object(Runner, "_result", staticmethod(never)):
        serving = asyncio.create_task(runner._serve(MagicMock()))
        await asyncio.sleep(0)
        serving.cancel()
        await asked.wait()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    settled.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
    assert told == []


@pytest.mark.parametrize("line", ["POST /certify", "GET /livez"])
def test_a_body_of_two_lengths_is_the_last_on_its_connection(service: Service, line: str) -> None:
    """What one of them leaves over could be taken for a request of its own: by a proxy, the next caller's."""
    body = form(part("audio", GOOD, "a.wav"), part("n", "200"))
    smuggled = head("GET /smuggled")
    with connection(service) as sending:
        sending.send(
            head(line, Content_Length=len(body), Transfer_Encoding="chunked"), chunked(body), b"0\r\n\r\n", smuggled
        )
        answer = sending.answer()
        assert answer.status_code == (400 if line.startswith("POST") else 200)
        assert answer.headers["connection"] == "close"
        assert sending.is_closed()


@pytest.mark.parametrize("value", ["1", "on", "yes", "t", ""])
def test_what_is_neither_true_nor_false_is_refused(service: Service, value: str) -> None:
    body = form(part("audio", GOOD, "a.wav"), part("progress", value))
    with service.client() as client:
        answer = client.post("/certify", content=body, headers={"Content-Type": MULTIPART})
    assert "must be true or false" in problem(answer, 422, "invalid_request")["detail"]


def test_no_field_of_a_form_is_described_as_null() -> None:
    """A form has no null: clients that are made from the description would send the word."""
    described = json.loads((ROOT / "openapi" / "openapi.json").read_text())
    for path in ("/certify", "/certify/sweep", "/verify", "/jobs"):
        schema = described["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert '"null"' not in json.dumps(schema), path


def test_what_leads_on_leads_to_operations_that_there_are() -> None:
    described = json.loads((ROOT / "openapi" / "openapi.json").read_text())
    operations = [each for methods in described["paths"].values() for each in methods.values()]
    known = {each["operationId"] for each in operations}
    linked = {
        link["operationId"]
        for each in operations
        for response in each["responses"].values()
        for link in response.get("links", {}).values()
    }
    assert len(linked) == 5
    assert linked <= known
