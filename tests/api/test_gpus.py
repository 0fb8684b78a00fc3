"""What is told of GPUs, with a library in place of NVIDIA's."""

import sys
from dataclasses import dataclass
from types import ModuleType

import pytest

from soundproof.api.gpus import Gpus, GpuUse


class NVMLError(Exception):
    pass


@dataclass(frozen=True)
class Memory:
    used: int
    total: int


@dataclass(frozen=True)
class Rates:
    gpu: int


class Library(ModuleType):
    """Three GPUs; a handle is an index or a UUID."""

    NVMLError = NVMLError

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.lost: set[object] = set()

    def nvmlInit(self) -> None:  # noqa: N802  (NVIDIA's names)
        pass

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802
        if index > 2:
            raise NVMLError("Invalid Argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> object:  # noqa: N802
        return uuid

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> Memory:  # noqa: N802
        if handle in self.lost:
            raise NVMLError("GPU is lost")
        return {0: Memory(1, 80), 2: Memory(3, 80), "GPU-of-some-kind": Memory(4, 80)}[handle]

    def nvmlDeviceGetUtilizationRates(self, handle: object) -> Rates:  # noqa: N802
        return Rates(gpu=25)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return library


def use(device: str, used: int) -> GpuUse:
    return GpuUse(device=device, memory_used_bytes=used, memory_bytes=80, utilization=0.25)


def test_the_gpus_that_work_is_done_on_are_told_of(library: Library) -> None:
    assert Gpus(["cuda:0", "cuda:2"]).use() == [use("cuda:0", 1), use("cuda:2", 3)]


def test_gpus_are_counted_as_cuda_counts_those_that_are_visible(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-of-some-kind")
    assert Gpus(["cuda:0", "cuda:1"]).use() == [use("cuda:0", 3), use("cuda:1", 4)]


def test_a_gpu_that_is_lost_is_left_out(library: Library) -> None:
    gpus = Gpus(["cuda:0", "cuda:2"])
    library.lost.add(0)
    assert gpus.use() == [use("cuda:2", 3)]


def test_nothing_is_told_of_a_cpu_or_without_the_library_or_a_driver(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Gpus(["cpu"]).use() == []
    assert Gpus(["cuda:9"]).use() == []
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Gpus(["cuda:0"]).use() == []
