"""Two runs against each other in plain text: 80 columns, no colour."""

from __future__ import annotations

from gradtui import plots, report_text
from gradtui.diagnose.comparison import Comparison
from gradtui.diagnose.report import Report
from gradtui.diagnose.unjudged import NO_BEGINNING
from gradtui.diagnose.words import inert, setting, spoken

NAMES = ("A", "B")


def text(comparison: Comparison) -> str:
    """The whole page."""
    blocks = ["\n".join(f"{name}  {report_text.heading(report)}" for name, report in zip(NAMES, comparison.runs, strict=True))]
    blocks.append(_settings(comparison))
    blocks.append("\n".join([_parting(comparison), *_other_partings(comparison)]))
    blocks.append("\n".join(_warnings(name, report) for name, report in zip(NAMES, comparison.runs, strict=True)))
    for name in ("start", "end"):
        blocks += _profiles(comparison, name)
    return "\n\n".join(blocks) + "\n"


def _settings(comparison: Comparison) -> str:
    unknown = [name for name, report in zip(NAMES, comparison.runs, strict=True) if report_text.beheaded(report)]
    if unknown:
        return f"what was set is not known of {' and '.join(unknown)}" + _changed(comparison)
    if not comparison.settings:
        return "set alike from the start" + _changed(comparison)
    lines = []
    for key, values in comparison.settings.items():
        sides = [inert(setting(key, value)) if value is not None else f"{inert(key)} not there" for value in values]
        lines.append(f"{sides[0]} against {sides[1]}")
    return report_text.block("set differently" + _changed(comparison), lines)


def _changed(comparison: Comparison) -> str:
    counts = [len(report.trials) for report in comparison.runs]
    return f"; changed while training {counts[0]} and {counts[1]} times" if any(counts) else ""


def _parting(comparison: Comparison) -> str:
    parting = comparison.parting
    if comparison.common_steps == 0:
        return "no step at which the losses of both are known"
    which = " of the last attempts" if any(report.attempts > 1 for report in comparison.runs) else ""
    if parting is None:
        return f"the losses{which} never part: {comparison.common_steps} steps compared"
    losses = " against ".join(map(plots.number, parting.losses))
    return f"the losses{which} part at step {parting.step}: {losses} (more than {parting.threshold:.2%} apart)"


def _other_partings(comparison: Comparison) -> list[str]:
    profile, warnings = comparison.profile_parting, comparison.warning_parting
    lines = []
    if profile:
        layer = spoken(profile.layer)
        lines.append(f"the profiles part at step {profile.step}: {layer}, B {profile.decades:+.2f} decades from A")
    if warnings:
        sides = [f"only {name} has {', '.join(codes)}" for name, codes in zip(NAMES, warnings.codes, strict=True) if codes]
        lines.append(f"the warnings part at step {warnings.step}: {'; '.join(sides)}")
    return lines


def _warnings(name: str, report: Report) -> str:
    if not report.spells:
        return f"{name}  {NO_BEGINNING if report_text.beheaded(report) else 'no warnings'}"
    return report_text.block(f"{name}  warnings", [report_text.spell_line(spell, report) for spell in report.spells])


def _profiles(comparison: Comparison, name: str) -> list[str]:
    """Both profiles at the start, or at the end: on one axis where the layers are the same."""
    shots = [
        (side, report, report.snapshots[name]) for side, report in zip(NAMES, comparison.runs, strict=True) if name in report.snapshots
    ]
    titled = [(f"{side}: {report_text.title(name, shot, report)}", shot) for side, report, shot in shots]
    gap = comparison.gaps.get(name)
    if gap is None:
        return [chart for title, shot in titled for chart in plots.charts(shot.layers, [(title, shot.values)])]
    charts = plots.charts(titled[0][1].layers, [(title, shot.values) for title, shot in titled])
    return [*charts, f"largest gap at the {name}: {spoken(gap.layer)}, B {gap.decades:+.2f} decades from A"]
