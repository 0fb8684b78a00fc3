"""The paper's network as ncnn computes it: on a CPU, in float32, a clip at a time.

ncnn convolves by Winograd's algorithm F(4 x 4, 3 x 3) (Lavin and Gray 2016): a quarter of the multiplications, which is
what a small network on a CPU is made of. Its logits differ from torch's in the last places, as those of two torch
backends do; certificates say which library computed them.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import ncnn
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from soundproof.nets.cnn import Cnn

MAGIC = 7767517  # ncnn's, of a network's text
# Of features that ncnn is given. Log-mel features lie within 110; noise on them is added before.
MOST_FEATURE = 1e4
# Of an activation, far from where float32 ends: what the algorithm has in between is at most 1e5 times as large.
MOST_ACTIVATION = 1e30
NO_MEMORY = -100


class NcnnCnn:
    """A folded `Cnn`, for features within MOST_FEATURE. Threads may share it: each call computes on its own thread."""

    def __init__(self, cnn: Cnn) -> None:
        net = ncnn.Net()
        net.opt.num_threads = 1
        # What ncnn does by default where a processor can: half precision.
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_packed = net.opt.use_bf16_storage = False
        # F(6 x 6) is no quicker on maps of this size, and errs twice as much.
        net.opt.use_winograd63_convolution = False
        layers = list(_layers(cnn))
        text = f"{MAGIC}\n{len(layers)} {len(layers)}\n" + "".join(f"{layer}\n" for layer, _ in layers)
        if net.load_param_mem(text) != 0:
            raise RuntimeError("ncnn does not take the network")
        with _file(b"".join(weights for _, weights in layers)) as path:
            if net.load_model(path) != 0:
                raise RuntimeError("ncnn does not take the weights")
        self._net = net
        self._least_side = 2 ** len(cnn.blocks)

    def __deepcopy__(self, memo: object) -> Self:
        return self  # nothing of it ever changes

    def logits(self, features: Tensor) -> Tensor:
        """(batch, n_mels, frames) float32 on the CPU -> (batch, classes) float32.

        ValueError where pooling would leave nothing of a map, MemoryError where there is no memory for it.
        """
        if min(features.shape[1:]) < self._least_side:  # ncnn would read beyond the map
            raise ValueError(f"a map of {tuple(features.shape[1:])} is smaller than {self._least_side} on a side")
        images = features.detach().float().unsqueeze(1).contiguous().numpy()  # the bytes that ncnn reads
        return torch.from_numpy(np.stack([self._logits(image) for image in images]))

    def _logits(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        extractor = self._net.create_extractor()
        extractor.input("features", ncnn.Mat(image))
        status, logits = extractor.extract("logits")
        if status == NO_MEMORY:
            raise MemoryError("ncnn found no memory for a clip")
        if status != 0:
            raise RuntimeError(f"ncnn did not compute a clip: status {status}")
        return np.array(logits)


def is_bounded(cnn: Cnn) -> bool:
    """Whether nothing in a folded `cnn` can overflow for features within MOST_FEATURE, in any layer.

    ncnn may rectify what is not a number to zero, where torch keeps it and the vote is invalid: so there must be none.
    """
    most = MOST_FEATURE
    layers: list[nn.Conv2d | nn.Linear] = [*_convolutions(cnn), cnn.linear]
    for layer in layers:
        assert layer.bias is not None  # noqa: S101  (folded)
        weight, bias = layer.weight.detach().double(), layer.bias.detach().double()
        most = most * float(weight.abs().flatten(1).sum(1).max()) + float(bias.abs().max())
        if not most <= MOST_ACTIVATION:  # nor a number
            return False
    return True


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A path to read `content` from: in memory where the system can, so that a full disk keeps no model away."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("weights"), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as named:
            named.write(content)
            named.flush()
            yield named.name


def _convolutions(cnn: Cnn) -> Iterator[nn.Conv2d]:
    for block in cnn.blocks:
        assert isinstance(block, nn.Sequential) and isinstance(block[0], nn.Conv2d)  # noqa: S101, PT018  (cnn.py)
        yield block[0]


def _layers(cnn: Cnn) -> Iterator[tuple[str, bytes]]:
    """Each layer in ncnn's text, with the bytes of its weights. The parameters' numbers are ncnn's own."""
    yield "Input features 0 1 features", b""
    before = "features"
    for i, conv in enumerate(_convolutions(cnn)):
        # 0: outputs, 1: kernel, 4: padding, 5: with a bias, 6: weights, 9: rectified
        yield (
            f"Convolution conv{i} 1 1 {before} conv{i} 0={conv.out_channels} 1=3 4=1 5=1 6={conv.weight.numel()} 9=1",
            _weights(conv),
        )
        yield f"Pooling pool{i} 1 1 conv{i} pool{i} 0=0 1=2 2=2 5=1", b""  # largest of 2 x 2; an odd last one left out
        before = f"pool{i}"
    yield f"Pooling mean 1 1 {before} mean 0=1 4=1", b""  # over the whole map
    linear = cnn.linear
    yield f"InnerProduct logits 1 1 mean logits 0={linear.out_features} 1=1 2={linear.weight.numel()}", _weights(linear)


def _weights(layer: nn.Conv2d | nn.Linear) -> bytes:
    assert layer.bias is not None  # noqa: S101  (folded)
    plain = np.zeros(1, "<u4")  # ncnn's tag: float32 follows
    return b"".join(part.tobytes() for part in (plain, _float32(layer.weight), _float32(layer.bias)))


def _float32(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().float().contiguous().numpy().astype("<f4")
