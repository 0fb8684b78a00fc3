"""The manifest of a job: the clips that it lists, each with a label and fields of its own."""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from soundproof.listing import ListingFault, csv_rows, jsonl_rows

# A CSV or JSONL file, its bytes, or its rows.
Manifest = Path | str | bytes | Iterable[Mapping[str, Any]]


def manifest_bytes(manifest: Manifest) -> bytes:
    """As it is sent. Raises OSError for a file that cannot be read."""
    if isinstance(manifest, bytes):
        return manifest
    if isinstance(manifest, Path | str):
        return Path(manifest).read_bytes()
    return "".join(json.dumps(row) + "\n" for row in manifest).encode()


def listed(manifest: bytes) -> set[str]:
    """The names of its clips, as far as they are names. Raises ValueError for what is no list; what else is wrong with
    it, the service says."""
    text = manifest.decode("utf-8-sig")
    lines = io.StringIO(text, newline="")
    try:
        rows = jsonl_rows(lines) if text.lstrip().startswith("{") else csv_rows(lines, ("path",))
        return {str(PurePosixPath(row["path"])) for _, row in rows if isinstance(row.get("path"), str)}
    except ListingFault as fault:
        where = f"line {fault.line}: " if fault.line else ""
        raise ValueError(f"The manifest cannot be read: {where}{fault}.") from fault
