"""A GAN whose critic makes several steps for each of the generator's: a frame is of a step in which both step."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.probe.steps import count_hooks
from tests.watch.gan import Gan


def five(round: int) -> int:
    return 5


def fewer_later(round: int) -> int:
    return 5 if round < 4 else 2


def at_random(round: int) -> int:
    return random.Random(round).randint(1, 4)


@pytest.mark.parametrize("often", [five, fewer_later, at_random])
@pytest.mark.parametrize("generator_first", [False, True])
@pytest.mark.parametrize("every", [1, 7])
def test_a_frame_is_of_one_round_and_every_due_one_comes(
    tmp_path: Path, often: Callable[[int], int], generator_first: bool, every: int
) -> None:
    gan = Gan(tmp_path, every=every)
    for round in range(10):
        if generator_first:
            gan.train_generator()
        for _ in range(often(round)):
            gan.train_critic()
        if not generator_first:
            gan.train_generator()
    steps = gan.check()
    rounds = len(gan.together)
    assert len(steps) >= (0.7 * rounds if every == 1 else 0.5 * gan.run.step / every)


def test_a_regular_round_costs_one_measured_step_of_the_critic(tmp_path: Path) -> None:
    gan = Gan(tmp_path, every=1)
    armed = []
    for _ in range(8):
        for _ in range(5):
            armed.append(count_hooks(gan.critic) > 0)
            gan.train_critic()
        gan.train_generator()
    assert armed[-20:] == 4 * [False, False, False, False, True]
    assert gan.check() == list(range(4, 40, 5))


def test_by_the_clock_too(tmp_path: Path) -> None:
    gan = Gan(tmp_path, rate=200.0)
    for _ in range(150):
        for _ in range(5):
            gan.train_critic()
        gan.train_generator()
    assert len(gan.check()) >= 8
