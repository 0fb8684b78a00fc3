"""The paper's convolutional classifier on log-mel features."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Cnn(nn.Module):
    """Four blocks of 3x3 convolution, batch norm, ReLU and 2x2 max pooling; global mean; linear.

    Channels 32-64-128-128 as in arXiv:2606.04210, section 5. Pooling stands before ReLU: the two commute, and a
    quarter of the values is left to rectify.
    """

    def __init__(self, classes: int, channels: Sequence[int] = (32, 64, 128, 128), dropout: float = 0.2) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs, outputs in zip((1, *channels[:-1]), channels, strict=True):
            blocks.append(
                nn.Sequential(
                    nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.MaxPool2d(2),
                    nn.ReLU(),
                )
            )
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels[-1], classes)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, n_mels, frames) -> (batch, classes) logits."""
        maps = self.blocks(features.unsqueeze(1))  # (batch, channels, n_mels / 16, frames / 16)
        logits: Tensor = self.linear(self.dropout(maps.mean(dim=(2, 3))))
        return logits

    def fold(self) -> None:
        """Fold every batch norm into its convolution, in place. For inference only."""
        self.eval()
        for i, block in enumerate(self.blocks):
            conv, norm, pool, relu = block.children()
            assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)  # noqa: S101, PT018  (built above)
            self.blocks[i] = nn.Sequential(fuse_conv_bn_eval(conv, norm), pool, relu)
