"""What theory says of the bars: the profile of delta at initialisation, laid through the last row that was measured there."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradtui.diagnose.predict import predict
from gradtui.diagnose.profile import log10
from gradtui.diagnose.profile import rows as profiles
from gradtui.stream.events import Frame, Hello, Numbers

LAST = 10
"""The last step that is near enough to the initialisation to be compared with it."""

LARGEST = 308.0
"""No double holds a larger power of ten."""


def profile(hello: Hello, first: Frame) -> Numbers:
    """Every layer's delta at initialisation by theory, which knows ratios only: each profile's last predicted row is as measured.

    Empty where theory has nothing to say, or `first` is not the network as it was initialised.
    """
    if first.step or len(first.delta_rms) != len(hello.layers):
        return []
    logs = predict(hello)
    found: Numbers = [None] * len(logs)
    for rows in profiles(hello.layers):
        known = [(index, log) for index in rows.indices if (log := logs[index]) is not None]
        anchor = log10(first.delta_rms[known[-1][0]] or 0.0) if known else -math.inf
        if math.isfinite(anchor):
            for index, log in known:
                found[index] = 10 ** min(LARGEST, anchor + log)
    return found if any(found) else []


def holds(frame: Frame) -> bool:
    """Whether the network is still about as it was initialised."""
    return frame.step <= LAST


def span(values: Sequence[float | None]) -> float | None:
    """The predicted span in decades, with the sign of a profile's own."""
    known = [value for value in values if value]
    return log10(known[0]) - log10(known[-1]) if len(known) > 1 else None
