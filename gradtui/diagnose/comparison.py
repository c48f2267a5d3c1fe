"""Two runs against each other: what was set differently, where they part, and how profiles and warnings differ."""

from __future__ import annotations

import math

from msgspec import Struct

from gradtui.diagnose.parting import PARTED, Course, Parting, Partings, ProfileParting, WarningParting
from gradtui.diagnose.postmortem import Examination
from gradtui.diagnose.profile import log10
from gradtui.diagnose.report import Report, Snapshot
from gradtui.stream.events import Event, Value


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
    profile_parting: ProfileParting | None
    warning_parting: WarningParting | None
    warnings: list[list[str]]
    """Codes that only the one run, and only the other, had."""
    gaps: dict[str, Gap]
    """At `start` and at `end`; without those whose layers or quantity differ."""


class Side:
    """One of the two runs, as its events come."""

    def __init__(self) -> None:
        self.examination = Examination()
        self.course = Course()

    def take(self, event: Event) -> None:
        self.examination.take(event)
        self.course.take(event, self.examination.state)


def compare(first: Side, second: Side, threshold: float = PARTED) -> Comparison:
    """What is between two runs; `threshold`: the share of the larger loss from which they have parted."""
    reports = [side.examination.report() for side in (first, second)]
    hellos = [side.examination.state.hello for side in (first, second)]
    set_ = [{toggle.key: toggle.value for toggle in hello.toggles} if hello else {} for hello in hellos]
    keys = list(dict.fromkeys((*set_[0], *set_[1])))
    codes = [list(dict.fromkeys(spell.code for spell in report.spells)) for report in reports]
    partings = Partings(threshold)
    partings.follow(first.course, second.course)
    return Comparison(
        runs=reports,
        settings={key: [each.get(key) for each in set_] for key in keys if set_[0].get(key) != set_[1].get(key)},
        common_steps=partings.common_steps,
        parting=partings.loss,
        profile_parting=partings.profile,
        warning_parting=partings.warnings,
        warnings=[[code for code in codes[0] if code not in codes[1]], [code for code in codes[1] if code not in codes[0]]],
        gaps={name: gap for name in ("start", "end") if (gap := _gap(*(report.snapshots.get(name) for report in reports)))},
    )


def _gap(one: Snapshot | None, other: Snapshot | None) -> Gap | None:
    if one is None or other is None or (one.layers, one.quantity) != (other.layers, other.quantity):
        return None
    found = []
    for name, a, b in zip(one.layers, one.values, other.values, strict=False):
        decades = log10(b) - log10(a) if a is not None and b is not None else math.nan
        if math.isfinite(decades):
            found.append((abs(decades), decades, name))
    return Gap(layer=max(found)[2], decades=max(found)[1]) if found else None
