"""Which devices get a worker."""

import pytest

from soundproof.engine.devices import devices
from soundproof.errors import InvalidPlan


def test_named_devices_are_taken_as_they_are() -> None:
    assert devices("cpu") == ("cpu",)
    assert devices("cuda:0, cuda:3") == ("cuda:0", "cuda:3")


def test_auto_counts_the_visible_gpus_and_falls_back_to_one_cpu_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert devices("auto") == ("cuda:0", "cuda:1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices("auto") == ("cpu",)


def test_kinds_of_devices_are_not_mixed() -> None:
    """They draw different noise: which of them a repeated request met would decide its certificate."""
    with pytest.raises(InvalidPlan, match="mixes kinds"):
        devices("cpu,cuda:0")


def test_naming_none_is_refused() -> None:
    with pytest.raises(InvalidPlan):
        devices(" , ")
