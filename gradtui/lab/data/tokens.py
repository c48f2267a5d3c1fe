"""Sentences in which rare words decide: tokens by Zipf's law, of which all but the most frequent carry the label.

A word that decides may come once in a hundred sentences, so it is rarely updated, and a common one in every batch. A
learning rate of each word's own, larger the rarer it is, is what Adagrad was made for (Duchi et al. 2011).
"""

from __future__ import annotations

import torch

from gradtui.lab.data.dataset import Dataset

TRAIN, TEST = 1000, 1000
VOCABULARY = 1000
LENGTH = 10
"""Tokens in a sentence."""
EXPONENT = 1.2
COMMON = 2
"""The most frequent tokens carry nothing."""


def load(seed: int) -> Dataset:
    """Sentences [N, LENGTH] of tokens, int64, and whether their rare words are positive on balance; drawn from `seed`.

    As many positive as negative ones: what a few words happen to mean must not make one answer right most of the time.
    """
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.arange(1, VOCABULARY + 1).double().pow(-EXPONENT)
    meaning = torch.randint(2, (VOCABULARY,), generator=generator) * 2 - 1
    meaning[:COMMON] = 0
    each = (TRAIN + TEST) // 2
    found = [torch.empty(0, LENGTH, dtype=torch.long)] * 2
    while min(map(len, found)) < each:
        sentences = torch.multinomial(frequency.expand(each, -1), LENGTH, replacement=True, generator=generator)
        balance = meaning[sentences].sum(1)
        found = [torch.cat([found[0], sentences[balance < 0]]), torch.cat([found[1], sentences[balance > 0]])]
    order = torch.randperm(2 * each, generator=generator)
    x = torch.cat([found[0][:each], found[1][:each]])[order]
    y = torch.arange(2).repeat_interleave(each)[order]
    return Dataset(x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:], classes=2)
