"""Lists of clips: every row with its line, and every fault with the line at fault."""

import io

import pytest

from soundproof.listing import ListingFault, Row, csv_rows, jsonl_rows


def of_csv(text: str) -> list[tuple[int, Row]]:
    return list(csv_rows(io.StringIO(text, newline=""), ("path", "label")))


def of_jsonl(text: str) -> list[tuple[int, Row]]:
    return list(jsonl_rows(io.StringIO(text, newline="")))


def test_csv_rows_have_their_line() -> None:
    text = 'path,label,n\r\n"a,1.wav",yes,5\r\n\r\n"two\nlines.wav",no\r\n'
    assert of_csv(text) == [
        (2, {"path": "a,1.wav", "label": "yes", "n": "5"}),
        (5, {"path": "two\nlines.wav", "label": "no", "n": None}),
    ]


def test_json_rows_have_their_line() -> None:
    text = '\n{"path": "a.wav"}\r\n \n{"path": "b\N{LINE SEPARATOR}.wav", "n": 5}'
    assert of_jsonl(text) == [(2, {"path": "a.wav"}), (4, {"path": "b\N{LINE SEPARATOR}.wav", "n": 5})]


def test_empty_cells_behind_the_last_column_are_no_fault() -> None:
    assert of_csv("path,label\na.wav,yes,,\n") == [(2, {"path": "a.wav", "label": "yes"})]


@pytest.mark.parametrize(
    ("text", "line", "detail"),
    [
        ("", None, "needs a first line with the columns path and label"),
        ("path,class\na.wav,yes", None, "needs a first line with the columns path and label"),
        ("path,label,path\n", 1, "names the column 'path' more than once"),
        ("path,label\na.wav,yes\na,b.wav,yes", 3, "more cells than columns"),
        ('path,label\na.wav,yes\nb.wav,"yes', 3, "not CSV (unexpected end of data)"),
        ('path,label\n"a"b.wav,yes', 2, "not CSV (',' expected after '\"')"),
        ("path,label\n" + "x" * 200_000, 2, "not CSV (field larger than field limit (131072))"),
    ],
)
def test_a_fault_in_csv_is_told_with_its_line(text: str, line: int | None, detail: str) -> None:
    with pytest.raises(ListingFault) as met:
        of_csv(text)
    assert (str(met.value), met.value.line) == (detail, line)


@pytest.mark.parametrize(
    ("text", "line", "detail"),
    [
        ('{}\n{"path"}', 2, "not JSON (Expecting ':' delimiter)"),
        ("[]", 1, "not a JSON object"),
        ("\n\n" + "[" * 100_000, 3, "not JSON that is read here (too deep, or too long a number)"),
        ('{"n": ' + "1" * 5000 + "}", 1, "not JSON that is read here (too deep, or too long a number)"),
    ],
)
def test_a_fault_in_json_is_told_with_its_line(text: str, line: int, detail: str) -> None:
    with pytest.raises(ListingFault) as met:
        of_jsonl(text)
    assert (str(met.value), met.value.line) == (detail, line)
