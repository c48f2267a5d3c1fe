"""Two runs against each other: what was set differently, where their losses part, and how profiles and warnings differ."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping

from msgspec import Struct

from gradtui.diagnose.postmortem import Examination
from gradtui.diagnose.profile import log10
from gradtui.diagnose.report import Report, Snapshot
from gradtui.stream.events import Event, Frame, Hello, Value

PARTED = 0.01
"""The share of the larger loss by which two must differ to have parted: same seeds on a CPU do not differ at all."""


class Parting(Struct, kw_only=True):
    """The first step at which the losses differed by more than the threshold."""

    step: int
    losses: list[float]
    threshold: float


class Gap(Struct, kw_only=True):
    """The layer whose value differs most between two profiles."""

    layer: str
    decades: float
    """log10 of the second run's over the first one's."""


class Comparison(Struct, kw_only=True, tag_field="type", tag="comparison"):
    """Two reports, and what is between them. The last attempt counts where there are several."""

    runs: list[Report]
    settings: dict[str, list[Value | None]]
    """Toggles that did not start alike; None: the run does not have it."""
    common_steps: int
    """Steps of the first run at which the second one's loss is known, too."""
    parting: Parting | None
    warnings: list[list[str]]
    """Codes that only the one run, and only the other, had."""
    gaps: dict[str, Gap]
    """At `start` and at `end`; without those whose layers or quantity differ."""


class Side:
    """One of the two runs, as its events come."""

    def __init__(self) -> None:
        self.examination = Examination()
        self.losses: dict[int, float] = {}

    def take(self, event: Event) -> None:
        self.examination.take(event)
        if isinstance(event, Hello):
            self.losses.clear()
        elif isinstance(event, Frame) and event.loss is not None:
            self.losses[event.step] = event.loss


def compare(first: Side, second: Side, threshold: float = PARTED) -> Comparison:
    """What is between two runs; `threshold`: the share of the larger loss from which they have parted."""
    reports = [side.examination.report() for side in (first, second)]
    hellos = [side.examination.state.hello for side in (first, second)]
    set_ = [{toggle.key: toggle.value for toggle in hello.toggles} if hello else {} for hello in hellos]
    keys = list(dict.fromkeys((*set_[0], *set_[1])))
    codes = [list(dict.fromkeys(spell.code for spell in report.spells)) for report in reports]
    pairs = _together(first.losses, second.losses)
    return Comparison(
        runs=reports,
        settings={key: [each.get(key) for each in set_] for key in keys if set_[0].get(key) != set_[1].get(key)},
        common_steps=len(pairs),
        parting=_parting(pairs, threshold),
        warnings=[[code for code in codes[0] if code not in codes[1]], [code for code in codes[1] if code not in codes[0]]],
        gaps={name: gap for name in ("start", "end") if (gap := _gap(*(report.snapshots.get(name) for report in reports)))},
    )


def _together(first: Mapping[int, float], second: Mapping[int, float]) -> list[tuple[int, float, float]]:
    """(step, loss, loss): of the second run between two of its frames, by a line between their losses."""
    steps = sorted(second)
    found = []
    for step in sorted(first):
        place = bisect.bisect_left(steps, step)
        if place == len(steps) or (place == 0 and steps[0] != step):
            continue
        if steps[place] == step:
            found.append((step, first[step], second[step]))
        else:
            before, after = steps[place - 1], steps[place]
            share = (step - before) / (after - before)
            found.append((step, first[step], (1 - share) * second[before] + share * second[after]))
    return found


def _parting(pairs: list[tuple[int, float, float]], threshold: float) -> Parting | None:
    for step, one, other in pairs:
        if _differ(one, other, threshold):
            return Parting(step=step, losses=[one, other], threshold=threshold)
    return None


def _differ(one: float, other: float, threshold: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        return math.isfinite(one) or math.isfinite(other)
    return abs(one - other) > threshold * max(abs(one), abs(other))


def _gap(one: Snapshot | None, other: Snapshot | None) -> Gap | None:
    if one is None or other is None or (one.layers, one.quantity) != (other.layers, other.quantity):
        return None
    found = []
    for name, a, b in zip(one.layers, one.values, other.values, strict=False):
        decades = log10(b) - log10(a) if a is not None and b is not None else math.nan
        if math.isfinite(decades):
            found.append((abs(decades), decades, name))
    return Gap(layer=max(found)[2], decades=max(found)[1]) if found else None
