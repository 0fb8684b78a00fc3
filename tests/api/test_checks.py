"""Checks whose machinery no test can change over HTTP: another generator, another backend, another model at hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.model_folders import RMS_GAIN, random_linear, write_linear
from tests.smoothing.issuing import CERTIFIED, FACTS, MANIFEST, PLAN, TALLY, document
from tests.verify.certificates import altered, as_bytes

from soundproof.api.catalog import Catalog
from soundproof.api.checks import check_fresh, check_model, check_rerun
from soundproof.engine.run import Finished
from soundproof.smoothing.certification import Tally
from soundproof.smoothing.recount import Issued
from soundproof.verify.document import read
from soundproof.verify.report import Check

GENERATOR, BACKEND = "numpy philox-4x64, ziggurat, float32", "torch 2.11.0"


def stated(**changes: Any) -> Issued:
    return read(
        as_bytes(altered(document(), {path.replace("__", "."): value for path, value in changes.items()}))
    ).certificate


def rerun(tally: Tally, certificate: Issued | None = None, **changes: Any) -> Check:
    machinery: dict[str, Any] = {"device": "cpu", "generator": GENERATOR, "backend": BACKEND} | changes
    finished = Finished(facts=FACTS, outcome=replace(CERTIFIED, tally=tally), queue_s=0.0, run_s=1.0, **machinery)
    return check_rerun(certificate or stated(), finished, MANIFEST)


def voted(right: int, **changes: Any) -> Tally:
    return replace(TALLY, estimation=(10_000 - right, right, 0), **changes)


UNLIKE = [{"device": "cuda:0"}, {"generator": "cuda"}, {"backend": "torch 3"}]


def test_the_same_machinery_must_give_the_same_votes_to_the_last() -> None:
    assert rerun(TALLY).result == "passed"
    other = rerun(voted(9_999))
    assert other.result == "failed"
    assert "1 of them differ" in other.detail
    assert rerun(replace(TALLY, selection=(0, 100, 0))).result == "failed"


def test_another_core_of_the_same_kind_is_the_same_machinery() -> None:
    assert rerun(voted(9_999), stated(compute__device="cuda:0"), device="cuda:1").result == "failed"


@pytest.mark.parametrize("machinery", UNLIKE)
def test_other_machinery_may_differ_as_independent_noise_does_and_no_further(machinery: dict[str, Any]) -> None:
    """30 errors where none were before come with probability below 2^-29."""
    near = rerun(voted(9_980), **machinery)
    assert near.result == "passed"
    assert "20 votes differ" in near.detail
    assert next(iter(machinery.values())).partition(":")[0] in near.detail
    assert rerun(voted(9_960), **machinery).result == "failed"


def test_other_machinery_does_not_excuse_another_selection() -> None:
    assert rerun(replace(TALLY, selection=(99, 1, 0)), backend="torch 3").result == "failed"


def test_a_votes_class_is_compared_too_not_only_the_winner() -> None:
    certificate = stated(sampling__counts=[1000, 8000, 1000])
    assert rerun(replace(TALLY, estimation=(1000, 8000, 1000)), certificate, backend="torch 3").result == "passed"
    assert rerun(replace(TALLY, estimation=(0, 8000, 2000)), certificate, backend="torch 3").result == "failed"


def test_fresh_votes_refute_only_what_is_really_unlikely() -> None:
    def fresh(right: int) -> Check:
        tally = replace(TALLY, estimation=(1000 - right, right, 0))
        finished = Finished(FACTS, replace(CERTIFIED, tally=tally), "cpu", GENERATOR, BACKEND, 0.0, 1.0)
        return check_fresh(stated(p_a_lower=0.99), PLAN, finished)

    assert fresh(1000).result == fresh(980).result == "passed"
    assert "does not prove it" in fresh(980).detail
    refuted = fresh(970)
    assert refuted.result == "failed"
    assert "share alpha (0.001)" in refuted.detail


def test_the_model_that_is_served_instead_is_named(tmp_path: Path) -> None:
    manifest = write_linear(tmp_path / "a-tiny", *random_linear(400, classes=3), gain=RMS_GAIN)
    entries = Catalog.read(tmp_path).entries
    record = {
        "name": "a-tiny",
        "version": "test",
        "digest": manifest.digest,
        "weights_sha256": manifest.weights_sha256,
    }
    entry, passed = check_model(stated(model=record), entries)
    assert (entry, passed.result) == (entries["a-tiny"], "passed")
    entry, other = check_model(stated(model=record | {"digest": "0" * 64}), entries)
    assert (entry, other.result) == (None, "failed")
    assert manifest.digest in other.detail
    entry, renamed = check_model(stated(model=record | {"name": "b"}), entries)
    assert entry is entries["a-tiny"]
    assert "name is 'a-tiny', not 'b'" in renamed.detail
    _, missing = check_model(stated(), entries)
    assert "models here: a-tiny" in missing.detail
