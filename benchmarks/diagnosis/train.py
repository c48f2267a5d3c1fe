"""One training of the bank: recorded as any run is, judged by our rules and by those of others, and scored."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import torch
from torch import nn

from benchmarks.diagnosis.draws import draw
from benchmarks.diagnosis.published import PUBLISHED, Seen
from benchmarks.diagnosis.verdict import Verdict
from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import SEVERITIES
from gradtui.lab.hello import hello
from gradtui.lab.learner import Measured
from gradtui.lab.session import Session
from gradtui.stream.events import Event, decode, encode

EVERY = 5
EVALUATE_EVERY = 25


def run(seed: int, recordings: Path | None) -> Verdict:
    """Train, record to `recordings` if given, judge and score the training that `seed` stands for."""
    torch.set_num_threads(1)
    scenario, settings = draw(seed)
    device = torch.device("cpu")
    session = Session(scenario, settings, seed, device)
    about = {"model": scenario.model, "data": scenario.data, "options": dict(scenario.options)}
    events: list[Event] = [hello(session, device, run=f"seed {seed}", scenario=about, seed=seed)]
    seen = []
    for step in range(scenario.steps):
        measured = session.take_step(measure=step % EVERY == 0 or step == scenario.steps - 1)
        if step % EVALUATE_EVERY == 0 or step == scenario.steps - 1:
            session.evaluate()
        if measured:
            events.append(measured.frame(step, session.metrics))
            seen.append(_seen(step, session, measured))
    if recordings:
        with gzip.open(recordings / f"{seed:06d}.jsonl.gz", "wb") as file:
            file.write(b"".join(map(encode, events)))
    ours, informed = judge(events)
    chance = 1 / session.data.classes
    accuracy = session.metrics.get("accuracy", math.nan)
    spoken = {name: rule(seen) for name, rule in PUBLISHED.items()}
    return Verdict(
        seed=seed,
        family=scenario.model,
        score=(accuracy - chance) / (1 - chance),
        finite=all(math.isfinite(frame.loss) for frame in seen[-3:]),
        steps=scenario.steps,
        ours=ours,
        informed=informed,
        published={name: at for name, at in spoken.items() if at is not None},
    )


def judge(events: list[Event]) -> tuple[dict[str, int], dict[str, int]]:
    """The first steps at which warnings opened: those that were more than information, and all."""
    state = RunState()
    ours: dict[str, int] = {}
    informed: dict[str, int] = {}
    for event in events:
        for edge in state.apply(event):
            if edge.state != "closed":
                informed.setdefault(edge.code, edge.step)
                if edge.severity != SEVERITIES[0]:
                    ours.setdefault(edge.code, edge.step)
    return ours, informed


def rejudge(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    """The verdicts of today's rules on a recording that is kept."""
    with gzip.open(path, "rb") as file:
        return judge([decode(line) for line in file])


@torch.no_grad()
def _seen(step: int, session: Session, measured: Measured) -> Seen:
    kernels = [p for p in session.learner.model.parameters() if p.ndim >= 2 and p.grad is not None]
    gradients = [p.grad for p in kernels if isinstance(p.grad, torch.Tensor)]
    norms = [float(g.norm()) for g in gradients]
    sizes = [float(p.norm()) for p in kernels]
    dead = [share for share in measured.layers["dead"] if share is not None]
    return Seen(
        step=step,
        share=step / session.scenario.steps,
        loss=measured.loss,
        accuracy=session.metrics.get("accuracy", 0.0),
        total_norm=measured.total_norm,
        mean_abs=[float(g.abs().mean()) for g in gradients],
        norms=norms,
        zeros=sum(float((g == 0).sum()) for g in gradients) / sum(g.numel() for g in gradients),
        ratios=[ratio for ratio in measured.layers["update_ratio"] if ratio is not None and not math.isnan(ratio)],
        dead=max(dead, default=0.0),
        variances=[_variance(p) for p in kernels],
        gradient_ratios=[measured.lr * norm / size for norm, size in zip(norms, sizes, strict=True) if size],
    )


def _variance(weight: nn.Parameter) -> float:
    return float(weight.var(correction=0))
