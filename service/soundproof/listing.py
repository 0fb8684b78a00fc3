"""A list of clips, written as CSV or as JSON lines: its rows, each with the number of its line."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

Row = dict[str, Any]


class ListingFault(Exception):
    """A list that cannot be read, in words without a full stop. `line`: the one at fault, from 1; None: all."""

    def __init__(self, detail: str, line: int | None = None) -> None:
        super().__init__(detail)
        self.line = line


def csv_rows(lines: Iterable[str], needed: tuple[str, ...]) -> Iterator[tuple[int, Row]]:
    """Every row below a first line that names the columns, `needed` among them. Cells that are missing are None.

    A row that ends elsewhere than its columns do is a fault: its cells are not what they seem.
    """
    reader = csv.DictReader(lines, strict=True)
    try:
        columns = list(reader.fieldnames or ())
        if not set(needed) <= set(columns):
            named = "columns " + " and ".join(needed) if len(needed) > 1 else f"column {needed[0]}"
            raise ListingFault(f"needs a first line with the {named}")
        repeated = [name for name, count in Counter(columns).items() if count > 1]
        if repeated:
            raise ListingFault(f"names the column {repeated[0][:64]!r} more than once", 1)
        for row in reader:
            # Under None are the cells beyond the last column. Spreadsheets end lines with empty ones.
            if any(row.pop(None, None) or ()):
                raise ListingFault("more cells than columns", reader.line_num)
            yield reader.line_num, row
    except csv.Error as error:
        raise ListingFault(f"not CSV ({error})", reader.reader.line_num) from error


def _once(pairs: list[tuple[str, Any]]) -> Row:
    """Of a name that comes twice, as of a column, nobody can tell which was meant."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ListingFault("an object names something more than once")
    return row


def jsonl_rows(lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """Every row: an object by itself on a line. Empty lines are passed over."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_once)
        except ListingFault as error:
            raise ListingFault(str(error), number) from error
        except json.JSONDecodeError as error:
            raise ListingFault(f"not JSON ({error.msg})", number) from error
        except (ValueError, RecursionError) as error:
            raise ListingFault("not JSON that is read here (too deep, or too long a number)", number) from error
        if not isinstance(row, dict):
            raise ListingFault("not a JSON object", number)
        yield number, row
