"""A training between two steps, whole: taken, kept in a file, and gone on with in another process, bit for bit on a CPU.

The network is built anew under the toggles as they stood and given its tensors back; the batches are dealt again up to
the one that is next. Nothing of a user's own network is pickled but its tensors. All that is kept lies on the CPU, so that
it can be gone on with on any device; only the random numbers that a device draws itself cannot be another device's.
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
    device: str
    """The kind of device that it was taken on: `cpu` or `cuda`."""
    generators: list[Tensor]
    random: Tensor
    """The state of torch's global generator."""
    device_random: Tensor | None
    """That of the GPU's own global generator; None: it was on the CPU."""


def take(session: Training, seed: int) -> Checkpoint:
    """The session as it stands; sharing nothing with it."""
    device = session.learners[0].device
    return Checkpoint(
        scenario=session.scenario,
        settings=dict(session.settings),
        seed=seed,
        step=session.step,
        learners=[learner.state() for learner in session.learners],
        device=device.type,
        generators=[generator.get_state() for generator in session.generators],
        random=torch.get_rng_state(),
        device_random=torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    )


def resume(kept: Checkpoint, device: torch.device) -> Training:
    """A session that goes on as the one that was kept would have. On another kind of device it draws other random numbers there:
    their generators begin anew, seeded by the seed and the step."""
    session = begin(kept.scenario, kept.settings, kept.seed, device)
    session.pass_over(kept.step)
    for learner, state in zip(session.learners, kept.learners, strict=True):
        learner.load(state)
    for generator, random in zip(session.generators, kept.generators, strict=True):
        if device.type == kept.device:
            generator.set_state(random)
        else:
            generator.manual_seed(kept.seed + kept.step)
    torch.set_rng_state(kept.random)
    if device.type == "cuda" and kept.device_random is not None:
        torch.cuda.set_rng_state(kept.device_random, device)
    return session
