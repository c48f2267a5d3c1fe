"""What theory says of the bars: the profile of delta at initialisation, laid through the last row that was measured there."""

from __future__ import annotations

from gradtui.diagnose.predict import predict
from gradtui.diagnose.profile import log10
from gradtui.stream.events import Frame, Hello, Numbers

LAST = 10
"""The last step that is near enough to the initialisation to be compared with it."""


def profile(hello: Hello, first: Frame) -> Numbers:
    """Every layer's delta at initialisation by theory, which knows ratios only: the last predicted row is as measured.

    Empty where theory has nothing to say, or `first` is not the network as it was initialised.
    """
    logs = predict(hello)
    known = [index for index, log in enumerate(logs) if log is not None]
    measured = first.delta_rms[known[-1]] if known and first.step == 0 and len(first.delta_rms) == len(logs) else None
    anchor = log10(measured) if measured else None
    if anchor is None or anchor != anchor:
        return []
    return [None if log is None else 10 ** min(300.0, anchor + log) for log in logs]


def holds(frame: Frame) -> bool:
    """Whether the network is still about as it was initialised."""
    return frame.step <= LAST


def span(values: Numbers) -> float | None:
    """The predicted span in decades, with the sign of a profile's own."""
    known = [value for value in values if value]
    return log10(known[0]) - log10(known[-1]) if len(known) > 1 else None
