"""The windows on a run's curves that rules read: losses of the last frames, and what clipping left of the gradient."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection

from gradtui.stream.events import Frame, Hello

LOSSES = 5
LEARNED = 0.1
PLATEAU_STEPS = 50
STAGNANT_STEPS = 150
"""How long ago, at least, the losses are that the newest are compared with."""
CLIPPING_STEPS = 300
CLIPPING_FRAMES = 31
"""Frames of which the window on clipping holds at least as many, however far apart they are."""

CLASSES = {"digits": 10, "mnist": 10, "cifar10": 10, "spirals": 2, "tokens": 2, "first_symbol": 4}
"""Classes of the lab's data sets, all of them balanced."""


class Curves:
    """Bounded windows on the loss and on clipping, of one attempt."""

    def __init__(self, hello: Hello) -> None:
        self.first_loss: float | None = None
        self.lowest_mean: float | None = None
        """The lowest mean of five losses before the newest frame."""
        self.trivial_loss = _trivial_loss(hello)
        self.clipping: deque[tuple[int, float]] = deque(maxlen=CLIPPING_STEPS + 1)
        """Step, and norm after clipping over norm before it, over the last 300 steps since clipping was set."""
        self._losses: deque[float] = deque(maxlen=LOSSES)
        self._recent: deque[tuple[int, float]] = deque()
        self._earlier: deque[tuple[int, float]] = deque(maxlen=PLATEAU_STEPS + STAGNANT_STEPS)
        """Losses that are recent no more."""
        self._clip: object = None

    def note(self, frame: Frame, clip: object) -> None:
        """Take a frame in; `clip`: how clipping is set, whatever that is, so that a change starts its window afresh."""
        self._note_clipping(frame, clip)
        if frame.loss is None:
            return
        past = self.mean_loss
        if past is not None and not math.isnan(past):
            self.lowest_mean = past if self.lowest_mean is None else min(past, self.lowest_mean)
        self.first_loss = frame.loss if self.first_loss is None else self.first_loss
        self._losses.append(frame.loss)
        self._recent.append((frame.step, frame.loss))
        while len(self._recent) > LOSSES and self._recent[0][0] <= frame.step - PLATEAU_STEPS:
            self._earlier.append(self._recent.popleft())

    @property
    def mean_loss(self) -> float | None:
        """Mean loss of the last five frames; None before the fifth."""
        return mean(self._losses) if len(self._losses) == LOSSES and _finite(self._losses) else None

    @property
    def learned(self) -> bool:
        """Whether the mean loss is under a tenth of the first: what is small now is so because there is little left to learn."""
        first, mean = self.first_loss, self.mean_loss
        return first is not None and mean is not None and 0 <= mean < LEARNED * first

    @property
    def plateau_loss(self) -> float | None:
        """Mean loss of the frames of the last 50 steps, of five frames at least; None before the fifth."""
        losses = [loss for _, loss in self._recent]
        return mean(losses) if len(losses) >= LOSSES and _finite(losses) else None

    @property
    def improvement(self) -> float | None:
        """The share by which `plateau_loss` is under the same mean of 150 steps ago; None: there was none yet."""
        now = self.plateau_loss
        older = [(step, loss) for step, loss in self._earlier if step <= self._recent[-1][0] - STAGNANT_STEPS]
        if now is None or len(older) < LOSSES:
            return None
        first = min(older[-LOSSES][0], older[-1][0] - PLATEAU_STEPS + 1)
        then = [loss for step, loss in older if step >= first]
        before = mean(then)
        return 1 - now / before if _finite(then) and before > 0 else None

    def _note_clipping(self, frame: Frame, clip: object) -> None:
        if clip != self._clip:
            self._clip = clip
            self.clipping.clear()
        before, after = frame.total_norm, frame.clipped_norm
        if before is None or after is None or not 0 < before < math.inf or not math.isfinite(after):
            return
        self.clipping.append((frame.step, after / before))
        while len(self.clipping) > CLIPPING_FRAMES and self.clipping[0][0] < frame.step - CLIPPING_STEPS:
            self.clipping.popleft()


def _finite(losses: deque[float] | list[float]) -> bool:
    return all(map(math.isfinite, losses))


def _trivial_loss(hello: Hello) -> float | None:
    """The cross-entropy of guessing every class alike; None where the classes are not known."""
    data = next((toggle.value for toggle in hello.toggles if toggle.key == "data"), hello.scenario.get("data"))
    options = hello.scenario.get("options")
    factor = options.get("loss_factor", 1.0) if isinstance(options, dict) else 1.0
    if not isinstance(data, str) or data not in CLASSES or not isinstance(factor, (int, float)) or not 0 < factor < math.inf:
        return None
    return math.log(CLASSES[data]) * factor


def mean(values: Collection[float]) -> float:
    """Of at least one number; also where their sum would be more than a float holds."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)
