"""Export a model folder of ours to one file that others can run, and that `soundproof models add` takes again.

    python models/export.py models/speech-commands-12 /tmp/speech.onnx
    python models/export.py models/speech-commands-12 /tmp/speech.pt2

The file takes (batch, time) float32 after the gain and answers (batch, classes) logits; the batch is free. ONNX has no
complex numbers that every runtime knows, so there the spectrum is two real convolutions with the windowed cosines and
sines: the same sums in another order.
"""

import argparse
import math
import warnings
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from soundproof.nets.classifier import Linear, LogMelCnn
from soundproof.nets.folder import load
from soundproof.nets.logmel import LogMel

# Any number but 0 and 1, which an export would take for fixed.
TRACED_BATCH = 2


class RealLogMel(nn.Module):
    """LogMel without complex numbers: each bin's cosine and sine sums over a frame's window, squared and added."""

    cosines_and_sines: Tensor
    filters: Tensor

    def __init__(self, log_mel: LogMel) -> None:
        super().__init__()
        spec = log_mel.spec
        self.log_epsilon = spec.log_epsilon
        self.hop_samples = spec.hop_samples
        n_fft, window_samples = spec.n_fft, spec.window_samples
        self.bins = n_fft // 2 + 1
        # A frame of n_fft holds its window in the middle; outside of it nothing counts.
        self.start = (n_fft - window_samples) // 2
        self.end = n_fft - window_samples - self.start
        self.padding = n_fft // 2
        time = torch.arange(self.start, self.start + window_samples, dtype=torch.float64)
        angles = 2 * math.pi / n_fft * torch.arange(self.bins, dtype=torch.float64).unsqueeze(1) * time
        kernels = log_mel.window.double() * torch.cat([angles.cos(), -angles.sin()])
        self.register_buffer("cosines_and_sines", kernels.float().unsqueeze(1))  # (2 bins, 1, window)
        self.register_buffer("filters", log_mel.filters.T.unsqueeze(0))  # (1, n_mels, bins)

    def forward(self, waveform: Tensor) -> Tensor:
        """(batch, time) -> (batch, n_mels, frames), nats."""
        padded = F.pad(waveform.unsqueeze(1), (self.padding, self.padding), mode="reflect")
        framed = padded[:, :, self.start : padded.shape[2] - self.end]
        spectrum = F.conv1d(framed, self.cosines_and_sines, stride=self.hop_samples)  # (batch, 2 bins, frames)
        power = spectrum[:, : self.bins].square() + spectrum[:, self.bins :].square()
        return torch.log(torch.matmul(self.filters, power) + self.log_epsilon)


class RealLogMelCnn(nn.Module):
    """A LogMelCnn with a front end of real numbers."""

    def __init__(self, network: LogMelCnn) -> None:
        super().__init__()
        self.log_mel = RealLogMel(network.log_mel)
        self.cnn = network.cnn

    def forward(self, waveform: Tensor) -> Tensor:
        logits: Tensor = self.cnn(self.log_mel(waveform))
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, help="a file ending in .onnx or .pt2")
    args = parser.parse_args()
    if args.out.suffix not in EXPORTS:
        parser.error(f"the file must end in {' or '.join(EXPORTS)}")
    export(args.folder, args.out)
    print(f"wrote {args.out}, {args.out.stat().st_size} bytes")


def export(folder: Path, out: Path) -> None:
    """Write the model of `folder` to `out`, in the format of its suffix."""
    model = load(folder)
    assert isinstance(model.classifier, LogMelCnn | Linear), "only our own architectures are exported"
    waveform = torch.zeros(TRACED_BATCH, model.manifest.clip_samples)
    with warnings.catch_warnings():
        # torch.export copies and saves by ways of its own that it has deprecated.
        warnings.simplefilter("ignore")
        EXPORTS[out.suffix](model.classifier.eval(), waveform, out)


def export_onnx(network: LogMelCnn | Linear, waveform: Tensor, out: Path) -> None:
    program = torch.onnx.export(
        RealLogMelCnn(network) if isinstance(network, LogMelCnn) else network,
        (waveform,),
        dynamo=True,
        input_names=["waveform"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")  # lines of source, with the folders they lie in
    onnx.save(model, out)


def export_pt2(network: LogMelCnn | Linear, waveform: Tensor, out: Path) -> None:
    program = torch.export.export(network, (waveform,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    program = program.run_decompositions({})
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # lines of source, with the folders they lie in
    torch.export.save(program, out)


EXPORTS = {".onnx": export_onnx, ".pt2": export_pt2}

if __name__ == "__main__":
    main()
