"""The line at the top (what runs, and how far it is) and the line under the bars (the profile and the gradient in numbers)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradtui.diagnose import profile
from gradtui.diagnose.state import RunState
from gradtui.diagnose.words import full_name, inert, signed
from gradtui.stream.events import Frame
from gradtui.ui import theory
from gradtui.ui.life import Life
from gradtui.ui.lines import Row, Span
from gradtui.ui.scale import elide, number, percent, state

LIFE_STYLES = {
    "RUN": "good",
    "PAUSED": "calm",
    "CRASHED": "alarm",
    "SILENT": "alarm",
    "READING": "calm",
    "JUDGING": "calm",
    "STARTING": "calm",
}


WATCHING = ("watch_share", "norms_every")

ONE_ROW = 60
"""Cells from which the status is one row."""
NUMBERS = 30
"""Cells that a long name leaves to the numbers beside it."""
HELP = "? keys"
"""Said where there is no footer to say it."""


def status_rows(run: RunState, life: Life, gpu: str, width: int, directory: str = "gradtui") -> list[Row]:
    """The status in one row, or in two where it is narrow. What does not fit is left out, the least important first.

    `directory`: what the run is called until it has said its own name."""
    one = width >= ONE_ROW
    said = f" {life_text(life)} "
    name = elide(scenario_name(run) or inert(directory), max(8, width - len(said) - 2 - (NUMBERS if one else 0)))
    head: list[Span] = [(f" {name} ", "title"), (said, LIFE_STYLES.get(life.word, "good"))]
    row = head if one else [(" ", "")]
    numbers = _fitted(row, _parts(run, gpu, width, width - sum(len(text) for text, _ in row)), width)
    return [numbers] if one else [_fitted(head, [("", HELP)], width), numbers]


def scenario_name(run: RunState) -> str:
    """What is being trained; empty: it has not said so yet."""
    return inert(str(run.hello.scenario.get("name") or run.hello.run)) if run.hello else ""


def life_text(life: Life) -> str:
    """The state as the status line says it; a crash is told at length with the warnings."""
    return f"{life.word} {life.detail}" if life.word in ("SILENT", "JUDGING") else life.word


def _parts(run: RunState, gpu: str, width: int, room: int) -> list[tuple[str, str]]:
    """Label and value, the most important first. How many steps there will be is told where the loss still has `room` beside it."""
    frame, hello = run.frame, run.hello
    if hello is None:
        return []
    if frame is None:
        return [("device", inert(hello.device)), ("layers", f"{len(hello.layers):,}")]
    step, loss = f"{frame.step:,}", number(frame.loss)
    of = f"/{hello.steps:,}" if hello.steps else ""
    parts = [("step", step + of if len(f"  step {step}{of}  loss {loss}") <= room else step), ("loss", loss)]
    if "accuracy" in frame.metrics:
        parts.append(("accuracy", percent(frame.metrics["accuracy"])))
    parts.append(("lr", f"{frame.lr:g}" if frame.lr is not None else "–"))
    if frame.steps_per_second is not None:
        parts.append(("steps/s", f"{_speed(frame.steps_per_second)}{_pace(run) if width >= 100 else ''}"))
    parts.append(("", inert(hello.device)))
    parts += _watching(run, frame)
    parts += [("", gpu)] if gpu else []
    parts += [("attempt", str(run.attempt + 1))] if run.attempt else []
    metrics = frame.metrics | (run.end.logged if run.end else {})
    parts += [_metric(name, value) for name, value in sorted(metrics.items()) if name not in ("accuracy", "loss", *WATCHING)]
    return parts


def _watching(run: RunState, frame: Frame) -> list[tuple[str, str]]:
    """What watching somebody's own loop takes of its time, and the steps from one measurement to the next."""
    if "watch_share" not in frame.metrics:
        return []
    steps = run.history.total_norm.steps[-2:]
    frames = [("frames every", f"{steps[-1] - steps[0]:,}")] if len(steps) == 2 else []
    return [("watch", f"{frame.metrics['watch_share']:.1%}"), ("norms every", f"{frame.metrics.get('norms_every', 1):,.0f}"), *frames]


def _metric(name: str, value: float) -> tuple[str, str]:
    """A scaler's values are whole numbers, and powers of two are told by every digit; several optimizers' have a name before them."""
    counted = name.endswith(("loss_scale", "skipped")) and math.isfinite(value) and value == int(value)
    return inert(name).replace("_", " "), f"{value:,.0f}" if counted else number(value)


def _speed(value: float) -> str:
    """Whole steps, or, of a loop that takes seconds for one, what there is of them."""
    return number(value) if value < 10 else f"{value:,.0f}"


def _pace(run: RunState) -> str:
    """The pace that was asked for, where there is one."""
    pace = run.settings.get("pace", 0)
    return f" of {pace:g}" if isinstance(pace, (int, float)) and pace else ""


def _fitted(head: list[Span], parts: list[tuple[str, str]], width: int) -> Row:
    row = list(head)
    room = width - sum(len(text) for text, _ in row)
    for label, value in parts:
        text = f"{label} " if label else ""
        if len(text) + len(value) + 2 > room:
            continue
        row += [(f"  {text}", "muted"), (value, "strong")]
        room -= len(text) + len(value) + 2
    return tuple(row)


def summary_row(run: RunState, predicted: theory.Line, width: int) -> Row:
    """The total gradient norm before and after clipping, and each profile's span, the span that theory predicts, and slope.

    Of several networks that with a warning comes first: there is not always room for all."""
    if run.frame is None or run.hello is None:
        return ((" no frame yet", "muted"),)
    parts = [_gradient(run)]
    if run.frame.delta_rms:
        layers = run.hello.layers
        wrong = {name for warning in run.open.values() for name in warning.layers}
        for rows in sorted(profile.rows(layers), key=lambda rows: wrong.isdisjoint(full_name(layers[i]) for i in rows.indices)):
            span = theory.span(predicted, rows.indices)
            label, style = ("theory", "theory") if theory.holds(run.frame) else ("theory at step 0", "faded")
            by_theory = [[(f"  {label} ", "muted"), (span, style)]] if span else []
            parts += _profile(profile.read(rows, run.frame.delta_rms), by_theory)
    return _whole(parts, width)


def _gradient(run: RunState) -> list[Span]:
    frame = run.frame
    assert frame is not None
    row = [(" total gradient ", "muted"), (number(frame.total_norm), "strong")]
    if frame.clipped_norm is not None and frame.clipped_norm != frame.total_norm and not _both_nan(frame.clipped_norm, frame.total_norm):
        row += [(" → ", "muted"), (number(frame.clipped_norm), "strong"), (" clipped", "muted")]
    return row


def _both_nan(a: float, b: float | None) -> bool:
    return state(a) == state(b) == "nan"


def _profile(read: profile.Profile, by_theory: list[list[Span]]) -> list[list[Span]]:
    if read.span is None or read.slope is None:
        return []
    where = f" {inert(read.group)}" if read.group else ""
    per = "layer" if read.axis == profile.DEPTH else "time step"
    span = [("  ·", "muted"), (f"{where} span ", "muted"), (signed(read.span), "strong")]
    return [span, *by_theory, [(" decades", "muted")], [("  slope ", "muted"), (signed(read.slope), "strong"), (f"/{per}", "muted")]]


def _whole(parts: Sequence[list[Span]], width: int) -> Row:
    """The first parts, as many as fit whole."""
    kept: list[Span] = []
    for part in parts:
        width -= sum(len(text) for text, _ in part)
        if width < 0:
            break
        kept += part
    return tuple(kept)
