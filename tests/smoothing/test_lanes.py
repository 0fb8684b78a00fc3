"""Work shared out between the cores of a CPU."""

import threading
from pathlib import Path

import pytest
import torch

from soundproof.smoothing.lanes import Lanes, usable_cores


def test_results_come_in_the_order_of_the_items() -> None:
    assert Lanes(3).map(lambda item: item * item, range(20)) == [item * item for item in range(20)]


def test_the_lanes_work_side_by_side() -> None:
    """Each waits until all three are at it: one after another they would wait for ever."""
    together = threading.Barrier(3, timeout=20)
    assert sorted(Lanes(3).map(lambda _: together.wait(), range(3))) == [0, 1, 2]


def test_each_lane_computes_on_one_core() -> None:
    assert Lanes(2).map(lambda _: torch.get_num_threads(), range(4)) == [1, 1, 1, 1]


def test_the_first_fault_is_raised_once_all_work_has_ended() -> None:
    ended: list[int] = []

    def work(item: int) -> None:
        if item in (1, 3):
            raise ValueError(f"item {item}")
        ended.append(item)

    with pytest.raises(ValueError, match="item 1"):
        Lanes(2).map(work, range(6))
    assert sorted(ended) == [0, 2, 4, 5]


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("nonsense", None), ("", None)]
)
def test_a_containers_quota_limits_the_cores(tmp_path: Path, quota: str, most: int | None) -> None:
    everything = usable_cores(tmp_path / "there is none")
    assert everything >= 1
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == (most or everything)
