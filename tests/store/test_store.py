"""The store as a whole: light to import, and never in memory as a whole."""

import hashlib
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

from tests.store.made import claimed, clip, job

from soundproof.store.certificates import KeptCertificate
from soundproof.store.store import Store

MIB = 1 << 20


def test_the_store_imports_neither_torch_nor_http() -> None:
    kept_out = "{'torch', 'fastapi', 'starlette', 'soundproof.engine'}"
    code = f"import sys, soundproof.store.store; print({kept_out} & {{*sys.modules}})"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "set()"


@contextmanager
def at_most(size_bytes: int) -> Iterator[None]:
    """Of Python's own memory; what databases and their drivers hold is not seen."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size_bytes
    finally:
        tracemalloc.stop()


def test_a_job_of_many_clips_is_not_in_memory_as_a_whole(store: Store) -> None:
    size = 256 << 10
    digests = [hashlib.sha256(bytes([n]) * size).hexdigest() for n in range(60)]
    clips = [clip(n, audio=lambda n=n: bytes([n]) * size, audio_sha256=digest) for n, digest in enumerate(digests)]
    with at_most(4 * MIB):
        store.jobs.submit(job(clips))


def test_results_of_many_clips_are_not_in_memory_as_a_whole(store: Store) -> None:
    accepted = store.jobs.submit(job(60)).job
    for n in range(60):
        body = bytes([n]) * (256 << 10)
        store.clips.finish(claimed(store), KeptCertificate(certificate_id=f"{n}", request_key=f"{n}", body=body))
    with at_most(4 * MIB):
        sizes = [len(result.certificate or b"") for result in store.results.each(accepted.id, page_clips=4)]
    assert sizes == 60 * [256 << 10]


def test_a_store_that_can_be_written_says_so(store: Store) -> None:
    store.check()
