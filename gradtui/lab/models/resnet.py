"""The CIFAR-style residual network of He et al. 2016, §4.2, whose skips can be switched off to see it degrade.

6n+2 weighted layers: a 3×3 convolution, three stages of n blocks of two 3×3 convolutions, global average pooling and a
linear read-out. Between stages the map halves and the channels double; the skip there is the parameter-free one of the
paper (stride 2, zero channels), so switching skips on or off changes no parameter.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from gradtui.lab.data import Dataset
from gradtui.lab.errors import SettingError
from gradtui.lab.models import parts
from gradtui.stream.events import Value


class Convolution(nn.Module):
    """A 3×3 convolution and its normalisation; its output is a pre-activation."""

    def __init__(self, inputs: int, outputs: int, stride: int, settings: Mapping[str, Value]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm: nn.Module = nn.Identity()
        self.initialise(settings)

    def initialise(self, settings: Mapping[str, Value]) -> None:
        """Draw the weights anew."""
        parts.initialise(self.conv.weight, settings)

    def set_norm(self, kind: str) -> None:
        self.norm = parts.batch_norm(kind, self.conv.out_channels, dimensions=2).to(self.conv.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.norm(self.conv(x))
        return z


class ResidualBlock(nn.Module):
    """φ(skip(x) + branch·f(x)) with f two convolutions; without a skip φ(f(x))."""

    def __init__(self, inputs: int, outputs: int, stride: int, settings: Mapping[str, Value]) -> None:
        super().__init__()
        self.first = Convolution(inputs, outputs, stride, settings)
        self.activation = parts.activation(settings)
        self.second = Convolution(outputs, outputs, 1, settings)
        self.out_activation = parts.activation(settings)
        self.stride = stride
        self.padding = outputs - inputs
        self.branch = 0.0

    def set_branch(self, weight: float) -> None:
        self.branch = weight

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.second(self.activation(self.first(x)))
        if self.branch:
            z = self._skip(x) + self.branch * z
        h: Tensor = self.out_activation(z)
        return h

    def _skip(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.padding))


class ResNet(nn.Module):
    """See the module's docstring. `image`: channels, height and width of the input, which comes as flat rows."""

    def __init__(self, image: tuple[int, int, int], outputs: int, n: int, channels: int, settings: Mapping[str, Value]) -> None:
        super().__init__()
        self.image = image
        self.stem = Convolution(image[0], channels, 1, settings)
        self.stem_activation = parts.activation(settings)
        blocks = []
        inputs = channels
        for stage in range(3):
            for block in range(n):
                width = channels * 2**stage
                blocks.append(ResidualBlock(inputs, width, 2 if stage and not block else 1, settings))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.read_out = nn.Linear(inputs, outputs)
        parts.initialise_read_out(self.read_out, settings)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem_activation(self.stem(x.reshape(-1, *self.image)))
        logits: Tensor = self.read_out(self.blocks(h).mean((2, 3)))
        return logits


def build_resnet(settings: Mapping[str, Value], options: Mapping[str, int | float], data: Dataset) -> nn.Module:
    """A ResNet that reads `data`'s images. Raises SettingError."""
    if data.image is None:
        shape = ", ".join(map(str, data.train_x.shape))
        raise SettingError(f"data: train_x has the shape ({shape}), and a resnet takes images: (examples, channels, height, width)")
    return ResNet(data.image, data.outputs, int(options["n"]), int(options["channels"]), settings)
