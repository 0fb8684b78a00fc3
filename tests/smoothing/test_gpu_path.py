"""What a GPU would be asked to do, looked at without one: torch's fake tensors say they are there and hold nothing."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from tests.bench.traffic import STAGES, counted_traffic
from tests.conftest import BUNDLED
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from soundproof.nets import folder
from soundproof.nets.classifier import LogMelCnn
from soundproof.smoothing import counting
from soundproof.smoothing.contracts import Contract, FeatureContract, PostProcessedContract, WaveformContract
from soundproof.smoothing.counting import Draw, Piece, counted
from soundproof.smoothing.noise_address import Stage
from soundproof.smoothing.plan import TransformName
from soundproof.terms import Precision

GPU = torch.device("cuda", 0)
SIZE, SAMPLES = 16, 5
CONTRACTS: dict[str, Callable[[LogMelCnn], Contract]] = {
    "waveform": WaveformContract,
    "feature": FeatureContract,
    **{
        transform.value: partial(PostProcessedContract, transform=transform, clean_rms=1.0, clean_peak=1.0)
        for transform in TransformName
    },
}


class Crossings(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every operation that takes a tensor over from the CPU to the GPU or back: each would wait for all before it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: list[str] = []
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, _: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        tensors = [each for each in (*args, result) if isinstance(each, Tensor) and each.dim() > 0]
        self.operations += 1
        if len({tensor.device.type for tensor in tensors}) > 1:
            self.seen.append(str(func))
        return result


@pytest.fixture(params=list(Precision))
def classifier(request: pytest.FixtureRequest) -> Iterator[LogMelCnn]:
    """The bundled network, on a GPU that is not there."""
    precision: Precision = request.param
    loaded = folder.load(BUNDLED).classifier
    assert isinstance(loaded, LogMelCnn)
    found = loaded.at(precision)
    found.ncnn = None
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield found.to(GPU)


def on_a_gpu(contract: Contract, point: Tensor, stage: Stage) -> tuple[tuple[Tensor, Tensor], Crossings]:
    draws = tuple(Draw(stage, block, 0, SAMPLES) for block in range(3))
    with Crossings() as crossings:
        found = counted(Piece(contract, point, 0.02, bytes(16), 12, draws, SIZE))
    return found, crossings


@pytest.mark.parametrize("stage", [Stage.SELECTION, Stage.ESTIMATION])
@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_gpu_votes_without_being_waited_for(
    classifier: LogMelCnn, contract: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read back, which a fake tensor would refuse, and nothing small is sent there on the way."""

    def drawn(_: bytes, __: Stage, ___: int, shape: tuple[int, ...], device: torch.device, group: int = 0) -> Tensor:
        assert group == 0
        return torch.randn(shape, device=device)

    monkeypatch.setattr(counting, "standard_normal", drawn)
    shape = (40, 101) if contract == "feature" else (16_000,)
    point = torch.empty(shape, dtype=torch.float64, device=GPU)
    (counts, ratios), crossings = on_a_gpu(CONTRACTS[contract](classifier), point, stage)
    assert (counts.device, ratios.device) == (GPU, GPU)
    assert (counts.shape, counts.dtype) == ((3, 13), torch.int64)
    assert ratios.shape == ((3 * SAMPLES,) if stage is Stage.SELECTION else (0,))
    assert crossings.operations > 10
    assert crossings.seen == []


def test_what_would_wait_is_noticed() -> None:
    with FakeTensorMode(), Crossings() as crossings:
        on_gpu = torch.ones(3, device=GPU)
        torch.tensor([1.0, 2.0], device=GPU)
        on_gpu.cpu()
        with pytest.raises(Exception, match="_local_scalar_dense"):
            on_gpu.sum().item()
    assert len(crossings.seen) == 2


def test_the_bytes_of_a_chunk_are_counted() -> None:
    traffic = counted_traffic("bfloat16", 256)
    values = 256 * 16_000
    assert traffic.bytes["noise"] == 4 * values + 8 * values  # drawn, block by block, and put together
    assert traffic.bytes["adding it"] >= 4 * (2 * values)
    assert all(traffic.operations[stage] > 1 for stage in STAGES)
    assert traffic.bytes["network"] < counted_traffic("float32", 256).bytes["network"]
