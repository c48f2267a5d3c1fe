"""A run in plain text: one line a moment, and at the end what changed, with the profile before and after as bars.

The text is the same whether or not a terminal reads it: 80 columns, no colour.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradtui.diagnose import profile
from gradtui.diagnose.at_init import compare, spelled
from gradtui.diagnose.state import RunState
from gradtui.diagnose.unjudged import NO_BEGINNING
from gradtui.diagnose.warnings import Warning
from gradtui.diagnose.words import full_name, inert, setting, short
from gradtui.plots import charts, number
from gradtui.stream.events import Applied, Frame, Hello


def line(state: RunState) -> str:
    """Where the run stands, in one line."""
    frame = state.frame
    if frame is None:
        return "no frame yet"
    parts = [f"step {frame.step}", f"loss {number(frame.loss)}"]
    parts += [f"{inert(name)} {value:.3g}" for name, value in frame.metrics.items()]
    parts += [f"gradient {number(frame.total_norm)}"]
    if state.hello and (span := _span(state.hello, frame)):
        parts.append(f"span {span}")
    if frame.steps_per_second:
        parts.append(f"{frame.steps_per_second:.0f} steps/s")
    return "  ".join(parts)


def edge(warning: Warning) -> str:
    """A warning that opened, changed or closed, as a sentence."""
    return f"step {warning.step}  {short(warning)}"


def change(applied: Applied) -> str:
    """A setting or a verb that came into force, will at the next restart, or was refused."""
    what = applied.toggle if applied.value is None else setting(applied.toggle, applied.value)
    said = f"refused: {applied.reason}" if applied.reason else applied.note
    return inert(f"step {applied.step}  {what}{f': {said}' if said else ''}")


def whole(state: RunState, first: Frame | None, edges: Sequence[Warning]) -> str:
    """The run's end: how it ended, the profile at its first frame and at its last, and its warnings."""
    hello, last = state.hello, state.frame
    blocks = [_verdict(state)]
    if hello and first and last:
        frames = [first] if first is last else [first, last]
        blocks += charts([full_name(layer) for layer in hello.layers], [(_title(hello, frame), frame.delta_rms) for frame in frames])
    unwarned = NO_BEGINNING if last and not hello else "no warnings"
    blocks.append("\n".join(["warnings", *(f"  {edge(warning)}" for warning in edges)]) if edges else unwarned)
    return "\n\n".join(blocks)


def _verdict(state: RunState) -> str:
    name = inert(state.hello.run) if state.hello else "the run"
    end = state.end
    how = inert(f"{end.reason}: {end.error}" if end.error else end.reason) if end else "not ended"
    logged = [f"{inert(key)} {value:.3g}" for key, value in end.logged.items()] if end else []
    last = f"\nlogged after that: {'  '.join(logged)}" if logged else ""
    return f"{name}: {how}\n{line(state)}{last}"


def _title(hello: Hello, frame: Frame) -> str:
    span = _span(hello, frame)
    theory = compare(hello, frame)
    predicted = f", theory {spelled(theory.predicted_span, theory.deviation)}" if theory else ""
    return f"delta at step {frame.step}" + (f", span {span}{predicted}" if span else "")


def _span(hello: Hello, frame: Frame) -> str:
    """The spans of the frame's profiles, as `-4.45 decades`."""
    if len(frame.delta_rms) != len(hello.layers):
        return ""
    found = []
    for where in profile.rows(hello.layers):
        seen = profile.read(where, frame.delta_rms)
        if seen.span is not None:
            found.append(f"{inert(where.group)} {seen.span:+.2f}".strip())
    return f"{', '.join(found)} decades" if found else ""
