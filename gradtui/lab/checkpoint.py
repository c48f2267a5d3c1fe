"""A training between two steps, whole: taken, kept in a file, and gone on with in another process, bit for bit on a CPU.

The network is built anew under the toggles as they stood and given its tensors back; the batches are dealt again up to
the one that is next. Nothing of a user's own network is pickled but its tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradtui.lab.learner_state import LearnerState
from gradtui.lab.scenario import Scenario
from gradtui.lab.sessions import Training, begin
from gradtui.stream.events import Value


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A session between two steps."""

    scenario: Scenario
    settings: Mapping[str, Value]
    """The toggles as they stood; those that wait for a restart must be as they were at the start."""
    seed: int
    step: int
    learners: list[LearnerState]
    generators: list[Tensor]
    random: Tensor
    """The state of torch's global generator."""


def take(session: Training, seed: int) -> Checkpoint:
    """The session as it stands; sharing nothing with it."""
    return Checkpoint(
        scenario=session.scenario,
        settings=dict(session.settings),
        seed=seed,
        step=session.step,
        learners=[learner.state() for learner in session.learners],
        generators=[generator.get_state() for generator in session.generators],
        random=torch.get_rng_state(),
    )


def resume(kept: Checkpoint) -> Training:
    """A session that goes on as the one that was kept would have, on the CPU."""
    session = begin(kept.scenario, kept.settings, kept.seed, torch.device("cpu"))
    session.pass_over(kept.step)
    for learner, state in zip(session.learners, kept.learners, strict=True):
        learner.load(state)
    for generator, random in zip(session.generators, kept.generators, strict=True):
        generator.set_state(random)
    torch.set_rng_state(kept.random)
    return session
