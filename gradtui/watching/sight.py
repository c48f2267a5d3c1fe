"""Whether frames still see forward passes: a model that is compiled while it trains, or is called some other way from then on, runs no
hooks any more. Its bars go out, and whoever looks must be told why."""

from __future__ import annotations

from gradtui.stream.events import Frame

_SURE = 3
"""Frames in a row: one may be of a step without a pass."""


class Sight:
    def __init__(self) -> None:
        self._last = -1
        """The step of the last frame that saw one; -1: none has."""
        self._blind = 0
        """Frames since."""

    def lost(self, frame: Frame) -> str:
        """What to say after this one, once for each time that it is lost; empty: nothing."""
        if any(value is not None for value in frame.delta_rms):
            self._last, self._blind = frame.step, 0
        elif frame.delta_rms and self._last >= 0:
            self._blind += 1
            if self._blind == _SURE:
                return (
                    f"gradtui: no module of the model was seen to be called since step {self._last} (it was compiled meanwhile, or is "
                    "called in a transform of torch.func): no delta and no activations from there on; the gradients are exact"
                )
        return ""
