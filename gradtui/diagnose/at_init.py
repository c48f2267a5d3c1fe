"""Theory beside measurement: the span that a network's profile should have at initialisation, and the one that it has."""

from __future__ import annotations

import math

from msgspec import Struct

from gradtui.diagnose.predict import deviations, predict, span
from gradtui.diagnose.profile import DEPTH, Rows, read
from gradtui.diagnose.words import full_name, signed
from gradtui.stream.events import Frame, Hello, Numbers

BAND = 2.0
"""Standard deviations on either side that a band reaches: 19 networks in 20 are in it."""


class Theory(Struct, frozen=True, kw_only=True, tag_field="type", tag="theory"):
    """What mean-field theory says of one frame at initialisation; spans are in decades, negative: vanishing toward the input."""

    step: int
    span: float
    """As measured, over the rows that theory has a word on."""
    predicted_span: float
    deviation: float | None
    """Standard deviation of the predicted span at this width, over the draw of the weights; None: not known."""
    layers: list[str]
    """Those rows, in network order, each after its network's name where there are several."""
    predicted: Numbers
    """Of each, log10 delta relative to the last of them."""


def compare(hello: Hello, frame: Frame) -> Theory | None:
    """Theory for a frame of step 0; None where it does not hold, or where delta was not measured or is zero or not finite."""
    if frame.step != 0 or len(frame.delta_rms) != len(hello.layers):
        return None
    prediction = predict(hello)
    predicted_span = span(prediction)
    known = [index for index, log in enumerate(prediction) if log is not None]
    measured = read(Rows(DEPTH, "", tuple(known)), frame.delta_rms).span
    if predicted_span is None or measured is None or not math.isfinite(measured):
        return None
    names = [full_name(hello.layers[index]) for index in known]
    return Theory(
        step=frame.step,
        span=measured,
        predicted_span=predicted_span,
        deviation=deviations(hello)[known[0]],
        layers=names,
        predicted=[prediction[index] for index in known],
    )


def spelled(decades: float, deviation: float | None) -> str:
    """A prediction with its band, in decades: `-4.44 ± 0.09`."""
    return signed(decades) + (f" ± {BAND * deviation:.2f}" if deviation is not None else "")
