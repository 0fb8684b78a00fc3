"""Every committed input, without a fuzzer: no promise is broken any more, and none was made light of."""

import tracemalloc

import pytest
from tests.fuzz.seeds import seeds
from tests.fuzz.target import CORPUS, LONGEST, Target, target

MOST_CORPUS_BYTES = 300_000
# What reading may take beyond a multiple of the input: modules' own caches, messages, a spool.
FLOOR_BYTES, PER_BYTE = 1 << 20, 64


@pytest.mark.parametrize("name", LONGEST)
def test_every_input_of_the_corpus_keeps_the_promise(name: str) -> None:
    chosen = target(name)
    assert chosen.inputs
    for path in chosen.inputs:
        try:
            chosen.check(path.read_bytes())
        except Exception as error:
            error.add_note(f"by {path.relative_to(CORPUS)}")
            raise


@pytest.mark.parametrize("name", ["wav", "archives", "manifest", "certificate"])
def test_what_is_read_takes_memory_in_proportion_to_what_was_sent(name: str) -> None:
    chosen = target(name)
    for path in chosen.inputs:
        data = path.read_bytes()
        chosen.check(data)  # what is made once is not counted
        assert taken(chosen, data) < FLOOR_BYTES + PER_BYTE * len(data), path.name


def taken(chosen: Target, data: bytes) -> int:
    """The most bytes that one check has held at a time."""
    tracemalloc.start()
    try:
        chosen.check(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["certificate", "claims", "answers"])
def test_the_first_inputs_are_of_today(name: str) -> None:
    """Certificates gain parts: what were sound ones would be refused at once."""
    for seed, content in seeds(name).items():
        assert (CORPUS / name / seed).read_bytes() == content, f"write {seed} again: python -m tests.fuzz.seeds"


def test_the_corpora_are_small() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(LONGEST)
    assert sum(path.stat().st_size for path in files) < MOST_CORPUS_BYTES
    for path in files:
        assert path.stat().st_size <= LONGEST[path.parent.name], path
