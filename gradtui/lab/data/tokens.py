"""Sentences in which rare words decide: tokens by Zipf's law, of which only the rare ones carry the label.

Most of a batch's gradient is about words that say nothing; a word that decides comes once in hundreds of sentences. A
learning rate of each word's own, larger the rarer it is, is what Adagrad was made for (Duchi et al. 2011).
"""

from __future__ import annotations

import torch

from gradtui.lab.data.dataset import Dataset

TRAIN, TEST = 2000, 1000
VOCABULARY = 1000
LENGTH = 20
"""Tokens in a sentence."""
EXPONENT = 1.2
COMMON = 3
"""The most frequent tokens carry nothing."""


def load(seed: int) -> Dataset:
    """Sentences [N, LENGTH] of tokens, int64, and whether their rare words are positive on balance; drawn from `seed`."""
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.arange(1, VOCABULARY + 1).double().pow(-EXPONENT)
    meaning = torch.randint(2, (VOCABULARY,), generator=generator) * 2 - 1
    meaning[:COMMON] = 0
    wanted, x, y = TRAIN + TEST, [], []
    found = 0
    while found < wanted:
        sentences = torch.multinomial(frequency.expand(wanted, -1), LENGTH, replacement=True, generator=generator)
        balance = meaning[sentences].sum(1)
        decided = balance != 0
        x.append(sentences[decided])
        y.append((balance[decided] > 0).long())
        found += int(decided.sum())
    sentences, label = torch.cat(x)[:wanted], torch.cat(y)[:wanted]
    return Dataset(sentences[:TRAIN], label[:TRAIN], sentences[TRAIN:], label[TRAIN:], classes=2)
