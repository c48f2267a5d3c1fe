"""A bag of words: an embedding of every token, summed over the sentence, one hidden layer and a read-out."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from gradtui.lab.data import Dataset
from gradtui.lab.data.tokens import VOCABULARY
from gradtui.lab.models import parts
from gradtui.stream.events import Value


class Bag(nn.Module):
    """Tokens [B, T] -> logits [B, outputs]. The embedding is N(0, 1), torch's own, and its sum over T tokens is divided by √T:
    the hidden layer then reads numbers of variance 1."""

    def __init__(self, vocabulary: int, dimensions: int, width: int, outputs: int, settings: Mapping[str, Value]) -> None:
        super().__init__()
        self.embedding = nn.EmbeddingBag(vocabulary, dimensions, mode="sum")
        self.hidden = nn.Linear(dimensions, width)
        self.activation = parts.activation(settings)
        self.read_out = nn.Linear(width, outputs)
        self.initialise(settings)
        parts.initialise_read_out(self.read_out, settings)

    def initialise(self, settings: Mapping[str, Value]) -> None:
        """Draw the hidden layer's weights anew; the embedding keeps its own."""
        parts.initialise(self.hidden.weight, settings)
        nn.init.zeros_(self.hidden.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        sentence = self.embedding(tokens) / math.sqrt(tokens.shape[1])
        logits: Tensor = self.read_out(self.activation(self.hidden(sentence)))
        return logits


def build_bag(settings: Mapping[str, Value], options: Mapping[str, int | float], data: Dataset) -> nn.Module:
    """A bag over the tokens of `data`."""
    return Bag(VOCABULARY, int(options["dimensions"]), int(settings["width"]), data.outputs, settings)
