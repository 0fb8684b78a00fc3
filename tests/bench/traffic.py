"""What one chunk asks of a GPU's memory, counted without a GPU.

    PYTHONPATH=service python -m tests.bench.traffic [--chunk 1024] [--gb-per-s 3350]

Runs the service's inner loop (soundproof/smoothing/counting.py) on torch's fake tensors, which have a device and no
content, and adds up the bytes that every operation reads and writes: each tensor once, views for nothing. It is a
count, not a measurement: caches, libraries' workspaces, second kernels of one operation and the time to start one are
not in it. Prints Markdown.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import torch
from tests.bench.gpu import BLOCK, SIGMA, Network, clip
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from soundproof.smoothing import counting
from soundproof.smoothing.counting import Draw, Piece, counted
from soundproof.smoothing.noise_address import Stage

GPU = torch.device("cuda", 0)
STAGES = ("noise", "adding it", "log-mel", "network", "counting")


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes and operations by stage, and the operations of each by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stage = "adding it"
        self.bytes: dict[str, int] = defaultdict(int)
        self.operations: dict[str, int] = defaultdict(int)
        self.by_name: dict[tuple[str, str], int] = defaultdict(int)

    @contextmanager
    def within(self, stage: str) -> Iterator[None]:
        before, self.stage = self.stage, stage
        yield
        self.stage = before

    def __torch_dispatch__(
        self, func: Any, _: object, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if is_free(func, args, result):
            return result
        tensors = {id(each): each for each in tree_leaves((args, kwargs, result)) if isinstance(each, Tensor)}
        moved = sum(map(held, tensors.values()))
        self.bytes[self.stage] += moved
        self.operations[self.stage] += 1
        self.by_name[self.stage, str(func)] += moved
        return result


def is_free(func: Any, args: Sequence[Any], result: object) -> bool:
    """Whether nothing is read or written: views, and questions about a tensor."""
    if not isinstance(func, torch._ops.OpOverload) or func.namespace == "prim" or "empty" in str(func):
        return True
    given = args[0] if args else None
    if isinstance(given, Tensor) and isinstance(result, Tensor) and func is torch.ops.aten.to.dtype:
        return given.dtype == result.dtype  # a view in that case only
    return func.is_view


def held(tensor: Tensor) -> int:
    """Bytes from its first element to its last: what lies in gaps is read as well, and overlapping frames are once."""
    span = 1 + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size)
    return span * tensor.element_size()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunk", type=int, default=1024, help="forward passes at a time")
    parser.add_argument("--n", type=int, default=10_100, help="votes of a certificate, selection included")
    parser.add_argument("--gb-per-s", type=float, default=3350.0, help="of the memory; an H100's by its data sheet")
    parser.add_argument("--operations", action="store_true", help="also the operations that move most")
    options = parser.parse_args()
    print("| precision | " + " | ".join(f"{stage}, MB (operations)" for stage in STAGES) + " | a certificate |")
    print("|---|" + "---|" * (len(STAGES) + 1))
    for precision in ("float32", "bfloat16"):
        traffic = counted_traffic(precision, options.chunk)
        cells = [f"{traffic.bytes[stage] / 1e6:.0f} ({traffic.operations[stage]})" for stage in STAGES]
        chunks = options.n / options.chunk
        total = sum(traffic.bytes.values()) * chunks
        ms = 1e3 * total / (1e9 * options.gb_per_s)
        print(f"| {precision} | {' | '.join(cells)} | {total / 1e9:.1f} GB, {ms:.1f} ms |")
        if options.operations:
            for (stage, name), moved in sorted(traffic.by_name.items(), key=lambda item: -item[1])[:25]:
                print(f"    {stage:10s} {name:45s} {moved / 1e6:8.0f} MB")


def counted_traffic(precision: str, chunk: int) -> Traffic:
    """Of one chunk of estimation votes under the waveform contract, the network being the bundled one."""
    network, traffic = Network(precision, torch.device("cpu")), Traffic()

    def staged(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def noted(*given: Any, **named: Any) -> Any:
            with traffic.within(stage):
                return work(*given, **named)

        return noted

    def draw(_: object, __: object, ___: object, shape: tuple[int, ...], device: torch.device, group: int) -> Tensor:
        assert group == 0
        return torch.randn(shape, device=device)

    draws = tuple(Draw(Stage.ESTIMATION, block, 0, BLOCK) for block in range(max(1, chunk // BLOCK)))
    with ExitStack() as changes, FakeTensorMode(allow_non_fake_inputs=True):
        for module, name, stage in (
            (network.log_mel, "forward", "log-mel"),
            (network.cnn, "forward", "network"),
            (counting, "_drawn", "noise"),
            (counting, "_by_draw", "counting"),
        ):
            changes.enter_context(patch.object(module, name, staged(stage, getattr(module, name))))
        changes.enter_context(patch.object(counting, "standard_normal", draw))
        network.log_mel.to(GPU)
        network.cnn.to(GPU)
        point = torch.empty(len(clip()), dtype=torch.float64, device=GPU)
        with traffic:
            counted(Piece(network, point, SIGMA, bytes(16), network.classes, draws, chunk))
    return traffic


if __name__ == "__main__":
    main()
