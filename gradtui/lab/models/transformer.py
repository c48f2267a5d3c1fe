"""A transformer encoder over the rows of an image, whose layer normalisation can be moved or taken out (Xiong 2020).

Every matrix is an `nn.Linear` of its own, so that each is a row of the profile: `nn.MultiheadAttention` uses its
parameters itself, and what they return could not be seen.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradtui.lab.data import Dataset
from gradtui.lab.errors import SettingError
from gradtui.lab.models import parts
from gradtui.stream.events import Value

EXPANSION = 2
"""How much wider than the stream the MLP of a block is. At Vaswani's 4 a stack without norm, drawn Xavier, still learns."""


class Branch(nn.Module):
    """x + f(x), with layer normalisation before f (`pre`), after the sum (`post`), or nowhere."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.before: nn.Module = nn.Identity()
        self.after: nn.Module = nn.Identity()

    def set_layer_norm(self, kind: str) -> None:
        device = next(self.parameters()).device
        self.before, self.after = (nn.LayerNorm(self.width, device=device) if kind == place else nn.Identity() for place in ("pre", "post"))

    @torch.no_grad()
    def initialise(self, settings: Mapping[str, Value]) -> None:
        """Draw every matrix anew; biases start at 0."""
        for layer in self.children():
            if isinstance(layer, nn.Linear):
                parts.initialise(layer.weight, settings)
                nn.init.zeros_(layer.bias)

    def compute(self, x: Tensor) -> Tensor:
        """f(x)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.after(x + self.compute(self.before(x)))
        return y


class Attention(Branch):
    """Multi-head self-attention (Vaswani 2017)."""

    def __init__(self, width: int, heads: int, settings: Mapping[str, Value]) -> None:
        super().__init__(width)
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.initialise(settings)

    def compute(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).reshape(*x.shape[:2], self.heads, -1).transpose(1, 2) for layer in (self.query, self.key, self.value))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        y: Tensor = self.out(mixed)
        return y


class Perceptron(Branch):
    """The two-layer network that each token goes through by itself."""

    def __init__(self, width: int, settings: Mapping[str, Value]) -> None:
        super().__init__(width)
        self.up = nn.Linear(width, EXPANSION * width)
        self.activation = parts.activation(settings)
        self.down = nn.Linear(EXPANSION * width, width)
        self.initialise(settings)

    def compute(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(self.activation(self.up(x)))
        return y


class Transformer(nn.Module):
    """Rows of the image as tokens, `depth` blocks of attention and MLP, the mean over tokens, a linear read-out."""

    def __init__(self, tokens: int, inputs: int, outputs: int, heads: int, settings: Mapping[str, Value]) -> None:
        super().__init__()
        self.tokens = tokens
        self.width = int(settings["width"])
        if self.width % heads:
            raise SettingError(f"width is {self.width}; a transformer's is a multiple of its heads, {heads}")
        self.embedding = nn.Linear(inputs, self.width)
        self.position = nn.Parameter(torch.randn(tokens, self.width) * 0.02)
        blocks = [(Attention(self.width, heads, settings), Perceptron(self.width, settings)) for _ in range(int(settings["depth"]))]
        self.blocks = nn.ModuleList(nn.Sequential(attention, mlp) for attention, mlp in blocks)
        self.norm: nn.Module = nn.Identity()
        self.read_out = nn.Linear(self.width, outputs)
        parts.initialise_read_out(self.read_out, settings)

    def set_layer_norm(self, kind: str) -> None:
        """With `pre` nothing else bounds the sum of all branches, so the read-out has a normalisation of its own."""
        self.norm = nn.LayerNorm(self.width, device=self.position.device) if kind == "pre" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Logits [batch, classes] of images [batch, pixels]."""
        h = self.embedding(x.reshape(len(x), self.tokens, -1)) + self.position
        for block in self.blocks:
            h = block(h)
        # The read-out is linear, so it can come before the mean; after it, the last normalisation would feed no layer and be a row.
        logits: Tensor = self.read_out(self.norm(h)).mean(1)
        return logits


def build_transformer(settings: Mapping[str, Value], options: Mapping[str, int | float], data: Dataset) -> nn.Module:
    """A transformer that reads `data`'s images. Raises SettingError."""
    assert data.image is not None
    channels, height, width = data.image
    return Transformer(channels * height, width, data.classes, int(options["heads"]), settings)
