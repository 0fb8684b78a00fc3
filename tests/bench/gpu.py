"""How fast a device certifies: certificates a second, where their time goes, and how far that is from the floor.

    PYTHONPATH=service python tests/bench/gpu.py                    on any machine with a GPU, from a checkout
    PYTHONPATH=service python tests/bench/gpu.py --ways eager,fused,graph,fused+graph,compiled
    PYTHONPATH=service python tests/bench/gpu.py --device cpu --n 400 --chunks 16

Needs torch, torchaudio and numpy, nothing else of the project: it runs the service's own inner loop
(soundproof/smoothing/counting.py) on the bundled network and clip, without the service around it. Prints Markdown.
The network is torch's, with which the service votes on a GPU; on a CPU in float32 it votes with ncnn instead.

*Ways* to run front end and network: eager is the service's own; fused has convolution, bias and ReLU in one kernel of
cuDNN's; graph records all once as a CUDA graph and replays it; fused+graph is both; compiled is torch.compile, which
needs a compiler. tests/bench/traffic.py counts what each stage moves through the memory.

*in a row*: several certificates without waiting for the device in between, as when the service is busy. The *floor*
is what no certificate of this network can do without: drawing its noise at torch's own speed and the multiplications
of its convolutions at the speed of one large matrix product, both measured here in the same run.
"""

import argparse
import json
import statistics
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from soundproof.nets.chunk import chunk_for
from soundproof.nets.cnn import Cnn
from soundproof.nets.logmel import LogMel
from soundproof.smoothing.counting import Draw, Piece, counted, votes
from soundproof.smoothing.noise import standard_normal
from soundproof.smoothing.noise_address import Stage, stream_key

ROOT = Path(__file__).parents[2]
MODEL, CLIP = ROOT / "models" / "speech-commands-12", ROOT / "tests" / "clips" / "yes.wav"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BLOCK, SIGMA, N0 = 128, 0.02, 100
LARGE_PRODUCT = {"cuda": 8192, "cpu": 1024}


@dataclass(frozen=True)
class Clock:
    device: torch.device
    repeats: int

    def seconds(self, work: Callable[[], object]) -> float:
        """The median, after one call that is not counted; the device is waited for before and after each."""
        taken = []
        for _ in range(1 + self.repeats):
            self._wait()
            started = time.perf_counter()
            work()
            self._wait()
            taken.append(time.perf_counter() - started)
        return statistics.median(taken[1:])

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class Network:
    """The bundled network in one precision; it decides as the waveform contract does."""

    def __init__(self, precision: str, device: torch.device, way: str = "eager") -> None:
        manifest = json.loads((MODEL / "model.json").read_text())
        self.classes = len(manifest["classes"])
        self.log_mel = LogMel(SimpleNamespace(**manifest["front_end"]), manifest["sample_rate_hz"])  # type: ignore[arg-type]
        self.log_mel.to(device)
        self.cnn = Cnn(self.classes, manifest["architecture"]["channels"])
        self.cnn.load_state_dict(tensors(MODEL / "weights.safetensors"))
        self.cnn.fold()
        self.cnn.to(device=device, dtype=PRECISIONS[precision], memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dtype = PRECISIONS[precision]
        self.network: Callable[[Tensor], Tensor] = self._fused if "fused" in way else self.cnn
        self.run: Callable[[Tensor], Tensor] = self._logits
        if "graph" in way:
            self.run = Graph(self._logits)
        elif way == "compiled":
            self.run = torch.compile(self._logits)

    def _logits(self, waveform: Tensor) -> Tensor:
        return self.network(self.log_mel(waveform).to(self.dtype)).float()

    def _fused(self, features: Tensor) -> Tensor:
        """As Cnn.forward; ReLU and pooling commute."""
        maps = features.unsqueeze(1)
        for conv in self.cnn.modules():
            if isinstance(conv, torch.nn.Conv2d):
                settings: Any = conv.stride, conv.padding, conv.dilation, conv.groups
                maps = F.max_pool2d(torch.cudnn_convolution_relu(maps, conv.weight, conv.bias, *settings), 2)
        logits: Tensor = self.cnn.linear(maps.mean(dim=(2, 3)))
        return logits

    def effective(self, noised: Tensor) -> Tensor:
        return noised

    def decide(self, noised: Tensor) -> Tensor:
        return votes(self.run(noised))


class Graph:
    """A function of one batch as a CUDA graph for each size of it, recorded when it is first asked for."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function
        self._recorded: dict[int, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}

    def __call__(self, batch: Tensor) -> Tensor:
        if len(batch) not in self._recorded:
            self._recorded[len(batch)] = self._record(batch.clone())
        graph, given, answer = self._recorded[len(batch)]
        given.copy_(batch)
        graph.replay()
        return answer.clone()

    def _record(self, given: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # libraries choose their kernels, and make their workspaces, before
            for _ in range(3):
                self._function(given)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            answer = self._function(given)
        return graph, given, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--n", type=int, default=10_000, help="estimation votes of a certificate")
    parser.add_argument("--chunks", default="256,512,1024,2048", help="forward passes at a time")
    parser.add_argument("--in-a-row", type=int, default=8, help="certificates without waiting in between")
    parser.add_argument("--repeats", type=int, default=7, help="of each measurement; the median is shown")
    parser.add_argument("--ways", help="separated by commas; see above", default="eager")
    args = parser.parse_args()
    device = torch.device(args.device)
    clock = Clock(device, args.repeats)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}; n0 {N0}, n {args.n}, clips of one second\n")
    point = clip().to(device)
    product = products_per_second(clock)
    print("| precision | chunk | ms a certificate | in a row | certificates/s | samples/s | of the floor | peak MiB |")
    print("|---|---|---|---|---|---|---|---|")
    counts: dict[str, Tensor] = {}
    for precision in PRECISIONS:
        floor_s = floor(Network(precision, device), point, args.n, product[precision], clock)
        for way in args.ways.split(","):
            network = Network(precision, device, way)
            label = precision if way == "eager" else f"{precision}, {way}"
            try:
                for chunk in map(int, args.chunks.split(",")):
                    print(row(label, network, point, (args.n, chunk, args.in_a_row), floor_s, clock), flush=True)
            except RuntimeError as error:  # of one way; what the others take is still worth knowing
                print(f"| {label} | {chunk} | failed: {str(error).splitlines()[0][:100]} |", flush=True)
                continue
            counts[label] = certificate(network, point, args.n, chunk)[1]
    print("\n| ms for 1,000 noise samples | " + " | ".join(STAGES) + " |\n|---|" + "---|" * len(STAGES))
    for precision in PRECISIONS:
        chunk = int(args.chunks.split(",")[-1])
        values = stages(Network(precision, device), point, chunk, clock)
        print(f"| {precision}, chunk {chunk} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    print(f"\nA large matrix product: {', '.join(f'{p} {f / 1e12:.2f} TFLOP/s' for p, f in product.items())}.")
    first, *others = counts.items()
    for label, other in others:
        moved = int((other - first[1]).abs().sum()) // 2
        print(f"Votes for another class in {label} than in {first[0]}, net, on the same noise: {moved} of {args.n}.")


def certificate(network: Network, point: Tensor, n: int, chunk: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(classes + 1,) counts of the selection and of the estimation votes, on the device, which is not waited for."""
    stream = stream_key("bench", seed)
    found = []
    for stage, samples in ((Stage.SELECTION, N0), (Stage.ESTIMATION, n)):
        draws = [Draw(stage, i, 0, min(BLOCK, samples - i * BLOCK)) for i in range(-(-samples // BLOCK))]
        size = chunk_for(samples, chunk)
        together = max(1, size // BLOCK)
        pieces = [tuple(draws[i : i + together]) for i in range(0, len(draws), together)]
        counts = [counted(Piece(network, point, SIGMA, stream, network.classes, piece, size))[0] for piece in pieces]
        found.append(torch.cat(counts).sum(0))
    return found[0], found[1]


def row(label: str, network: Network, point: Tensor, size: tuple[int, int, int], floor_s: float, clock: Clock) -> str:
    n, chunk, many = size
    if point.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    one = clock.seconds(lambda: certificate(network, point, n, chunk))
    busy = clock.seconds(lambda: [certificate(network, point, n, chunk, seed) for seed in range(many)]) / many
    peak = torch.cuda.max_memory_allocated() / 2**20 if point.device.type == "cuda" else float("nan")
    return (
        f"| {label} | {chunk} | {1e3 * one:.1f} | {1e3 * busy:.1f} | {1 / busy:.1f} | {(n + N0) / busy:,.0f} "
        f"| {100 * floor_s / busy:.0f} % | {peak:.0f} |"
    )


STAGES = ("noise", "adding it", "log-mel", "CNN", "counting", "all, as one piece")


@torch.inference_mode()
def stages(network: Network, point: Tensor, chunk: int, clock: Clock) -> list[float]:
    """Milliseconds for 1,000 noise samples, each stage by itself."""
    key, device = stream_key("bench"), point.device
    noise = standard_normal(key, Stage.ESTIMATION, 0, (chunk, len(point)), device)
    noised = added(point, noise)
    features = network.log_mel(noised).to(network.dtype)
    logits = network.cnn(features)
    draws = (Draw(Stage.ESTIMATION, 0, 0, chunk),)
    piece = Piece(network, point, SIGMA, key, network.classes, draws, chunk)
    work: list[Callable[[], object]] = [
        lambda: standard_normal(key, Stage.ESTIMATION, 0, (chunk, len(point)), device),
        partial(added, point, noise),
        partial(network.log_mel, noised),
        partial(network.cnn, features),
        lambda: votes(logits.float()),
        lambda: counted(piece),
    ]
    return [1e6 * clock.seconds(each) / chunk for each in work]


def added(point: Tensor, noise: Tensor) -> Tensor:
    """As counting.py adds noise: in float64, rounded once."""
    return torch.add(point, noise, alpha=SIGMA, out=torch.empty_like(noise))


def floor(network: Network, point: Tensor, n: int, products: float, clock: Clock) -> float:
    """Seconds that a certificate cannot do without."""
    generator = torch.Generator(clock.device).manual_seed(0)
    drawing = clock.seconds(lambda: torch.randn((1000, len(point)), generator=generator, device=clock.device)) / 1000
    return (n + N0) * (drawing + 2 * multiplications(network, point) / products)


def multiplications(network: Network, point: Tensor) -> int:
    """Of one forward pass, in the convolutions and the linear layer."""
    found: list[int] = []

    def count(module: torch.nn.Module, _: object, output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        found.append(weight.numel() * output[0, 0].numel() if weight.ndim == 4 else weight.numel())

    layers = [module for module in network.cnn.modules() if hasattr(module, "weight")]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.inference_mode():
        network.cnn(network.log_mel(point.float().unsqueeze(0)).to(network.dtype))
    for hook in hooks:
        hook.remove()
    return sum(found)


def products_per_second(clock: Clock) -> dict[str, float]:
    """Floating-point operations a second in one large matrix product, by precision."""
    size = LARGE_PRODUCT[clock.device.type]
    rates = {}
    for name, dtype in PRECISIONS.items():
        a, b = (torch.randn(size, size, device=clock.device).to(dtype) for _ in range(2))
        rates[name] = 2 * size**3 / clock.seconds(lambda a=a, b=b: a @ b)  # type: ignore[misc]
    return rates


def clip() -> Tensor:
    """The bundled clip at RMS 1: (16000,) float64."""
    with wave.open(str(CLIP)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)
    return torch.from_numpy(samples / np.sqrt(np.mean(samples**2)))


def tensors(path: Path) -> dict[str, Tensor]:
    """What a safetensors file of float32 and int64 tensors holds, without its library."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    kinds = {"F32": torch.float32, "I64": torch.int64}
    found = {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            values = bytearray(content[start + first : start + last])
            found[name] = torch.frombuffer(values, dtype=kinds[entry["dtype"]]).view(entry["shape"])
    return found


if __name__ == "__main__":
    main()
