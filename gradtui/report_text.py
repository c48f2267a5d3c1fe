"""A post-mortem in plain text: 80 columns, no colour, the same whether or not a terminal reads it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from gradtui import plots
from gradtui.diagnose.at_init import spelled
from gradtui.diagnose.report import Report, Snapshot, Spell, Trial
from gradtui.diagnose.unjudged import NO_BEGINNING, needs, too_few
from gradtui.diagnose.words import counted, inert, label, setting, span_of, together

WIDTH = 80
STEEPER = 0.5
"""Decades."""
HEALTHY = ("vanishing", "exploding", "update-too-large", "update-too-small", "no-gradient", "dead-units")
"""The rules that must all have been able to speak before their silence is called health."""


def text(report: Report) -> str:
    """The whole page."""
    blocks = [heading(report), first(report)]
    if said := unjudged(report):
        blocks.append(block("could not be judged", said))
    later = [spell for spell in report.spells if spell is not report.first]
    if later:
        blocks.append(block("also warned of" if report.first else "warnings", [spell_line(spell, report) for spell in later]))
    if report.trials:
        blocks.append(block("what was tried, and what followed", [trial_line(trial, report) for trial in report.trials]))
    if report.untried:
        lines = [f"{inert(together(fix))}: {fix.why}" for fix in report.untried]
        blocks.append(block("never tried against it", lines))
    blocks += curve(report)
    blocks += profiles(report)
    return "\n\n".join(blocks) + "\n"


def heading(report: Report) -> str:
    """Which run it is, and how it ended."""
    name = inert(report.run) or "a recording without its beginning"
    what = "own training (gradtui.watch)" if report.watched else f"scenario {report.scenario}" if report.scenario else ""
    about = [what, report.device]
    about += [f"seed {report.seed}"] if report.seed is not None else []
    about += [f"{report.attempts} attempts"] if report.attempts > 1 else []
    about += [f"{counted(report.frames, 'frame')}{' in the last' if report.attempts > 1 else ''}"]
    return f"{name}: {outcome(report)}\n{inert(', '.join(filter(None, about)))}".rstrip()


def outcome(report: Report) -> str:
    """`finished at step 499, loss 0.12`."""
    error = f": {inert(report.error)}" if report.error else ""
    if not measured(report):
        return f"{inert(report.outcome)}{error}, and no frame was recorded"
    return f"{inert(report.outcome)}{error} at step {report.last_step}, loss {plots.number(report.loss)}"


def measured(report: Report) -> bool:
    """Whether there is anything to judge by: a trainer that crashed before its first step ends at step -1."""
    return report.last_step is not None and report.last_step >= 0


def beheaded(report: Report) -> bool:
    """Whether it is of a recording without its beginning, which says what was trained and how it was set."""
    return any(rule.why == "no-beginning" for rule in report.unjudged)


def unwarned(report: Report) -> str:
    """What there is to say where no warning was opened."""
    if not measured(report):
        return "nothing was measured, so nothing can be said of the gradients"
    if beheaded(report):
        return NO_BEGINNING
    silent = [rule.why for rule in report.unjudged if rule.code in HEALTHY]
    if "too-few" in silent:
        return f"no warning was opened, but {too_few(report.frames, report.steps)} to call the gradients healthy"
    if len(silent) == len(HEALTHY):
        return "no warning was opened, but nothing was measured that the gradients could be judged by"
    return f"no warning was opened: the gradients look healthy{' as far as they were measured' if silent else ''}"


def unjudged(report: Report) -> list[str]:
    """Which rules were silent because they could not have spoken, and why; nothing where nothing was measured at all."""
    if not measured(report) or beheaded(report):
        return []
    few = [needs(rule) for rule in report.unjudged if rule.why == "too-few"]
    blind = [rule.code for rule in report.unjudged if rule.why == "not-measured"]
    lines = [f"{too_few(report.frames, report.steps)} for {', '.join(few)}"] if few else []
    return lines + ([f"what they read was never measured: {', '.join(blind)}"] if blind else [])


def first(report: Report) -> str:
    """What went wrong first, with its sentence."""
    if report.first is None:
        return unwarned(report)
    spell = report.first
    head = f"went wrong first: {label(spell.code)}{_where(spell)} at step {spell.opened}{_attempt(spell.attempt, report)}, {until(spell)}"
    return block(head, [inert(spell.sentence)])


def spell_line(spell: Spell, report: Report) -> str:
    """One warning's life in one line."""
    return f"step {spell.opened}{_attempt(spell.attempt, report)}  {label(spell.code)}{_where(spell)}, {spell.severity}, {until(spell)}"


def until(spell: Spell) -> str:
    return "open to the end" if spell.closed is None else f"closed at step {spell.closed}"


def trial_line(trial: Trial, report: Report) -> str:
    """What was set, and what came after it."""
    return f"step {trial.step}{_attempt(trial.attempt, report)}  {changes(trial)}: {followed(trial)}"


def changes(trial: Trial) -> str:
    settings = ", ".join(inert(setting(key, value)) for key, value in trial.settings.items())
    return ", ".join(filter(None, ("restart" if trial.restart else "", settings)))


def followed(trial: Trial) -> str:
    """`better; loss 2.3 to 0.1; closed vanishing`."""
    parts = [trial.verdict]
    if trial.loss_before is not None or trial.loss_after is not None:
        parts.append(f"loss {plots.number(trial.loss_before)} to {plots.number(trial.loss_after)}")
    parts += [f"{word} {', '.join(codes)}" for word, codes in (("closed", trial.closed), ("opened", trial.opened)) if codes]
    return "; ".join(parts)


def curve(report: Report) -> list[str]:
    """The loss of the last attempt, as a chart; nothing when it has under two finite points."""
    if not report.losses:
        return []
    number = f" of the last of {report.attempts} attempts" if report.attempts > 1 else ""
    marks = [trial.step for trial in report.trials if trial.attempt == report.trials[-1].attempt and not trial.restart]
    return plots.curve(f"loss{number}", report.losses[-1], marks if report.trials else [])


def profiles(report: Report) -> list[str]:
    """The profiles at the start, at their worst and at the end: bars on one axis where the layers are the same."""
    shots = chosen(report)
    blocks: list[str] = []
    for group in alike(shots):
        titled = [(title(name, shot, report), shot.values) for name, shot in group]
        blocks += plots.charts(group[0][1].layers, titled)
    return blocks


def chosen(report: Report) -> list[tuple[str, Snapshot]]:
    """The snapshots worth showing, each once; the steepest if it is clearly steeper than the start and the end."""
    shots = report.snapshots
    outer: list[tuple[str, Snapshot]] = [(name, shots[name]) for name in ("start", "end") if name in shots]
    if len(outer) == 2 and (outer[0][1].attempt, outer[0][1].step) == (outer[1][1].attempt, outer[1][1].step):
        outer.pop()
    worst = shots.get("worst")
    if worst and all(_steepness(worst) >= _steepness(shot) + STEEPER for _, shot in outer if shot.spans):
        outer.insert(1, ("worst", worst))
    return outer


def _steepness(shot: Snapshot) -> float:
    return max(map(abs, shot.spans.values()), default=0.0)


def title(name: str, shot: Snapshot, report: Report) -> str:
    """`delta at the start, step 0: span -4.40 decades, theory -4.44`."""
    where = {"start": "at the start", "worst": "at its steepest", "end": "at the end"}[name]
    spans = ", ".join(f"{inert(group)} {span:+.2f}".strip() for group, span in shot.spans.items())
    predicted = report.theory if name == "start" and report.theory and report.theory.step == shot.step else None
    theory = f", theory {spelled(predicted.predicted_span, predicted.deviation)}" if predicted else ""
    return f"{shot.quantity} {where}, step {shot.step}" + (f": span {spans} decades{theory}" if spans else "")


def alike(shots: Sequence[tuple[str, Snapshot]]) -> list[list[tuple[str, Snapshot]]]:
    """Those that follow each other with the same layers, together: they can share an axis."""
    groups: list[list[tuple[str, Snapshot]]] = []
    for name, shot in shots:
        if groups and (groups[-1][0][1].layers, groups[-1][0][1].quantity) == (shot.layers, shot.quantity):
            groups[-1].append((name, shot))
        else:
            groups.append([(name, shot)])
    return groups


def _where(spell: Spell) -> str:
    return f" in {span_of(spell.layers)}" if spell.layers else ""


def _attempt(attempt: int, report: Report) -> str:
    return f" of attempt {attempt + 1}" if report.attempts > 1 else ""


def block(head: str, lines: Sequence[str]) -> str:
    """A heading and its lines, wrapped."""
    wrapped = [textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False) for line in lines]
    return "\n".join([textwrap.fill(head, WIDTH, subsequent_indent="  ", break_on_hyphens=False), *wrapped])
