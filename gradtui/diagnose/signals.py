"""What the rules look at: the newest frame, its profiles, and the short windows that running medians need.

One `Signals` lives for one attempt. Everything in it is bounded, whatever the length of the run.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

from gradtui.diagnose import profile
from gradtui.diagnose.curves import Curves
from gradtui.diagnose.profile import Profile, Rows
from gradtui.diagnose.warnings import Warning
from gradtui.diagnose.words import full_name
from gradtui.stream.events import Frame, Hello, Layer, Numbers, Value

ADAPTIVE = ("adam", "adamw", "adamax", "nadam", "radam", "sparseadam", "adafactor", "adadelta", "adagrad", "rmsprop", "rprop")
"""Optimizers whose step is as long whatever constant the gradient is multiplied by, as the lab and PyTorch call them."""


class ProfileWindow:
    """One profile, frame by frame: the newest one and the last tilts that are defined."""

    def __init__(self, where: Rows) -> None:
        self.where = where
        self.records = 0
        """Frames so far that measured this profile."""
        self.profile: Profile | None = None
        """The newest frame's; None: it holds none."""
        self.tilts: deque[float] = deque(maxlen=5)
        self.tilt: float | None = None
        """The newest frame's."""
        self.first_tilt: float | None = None
        """That of the first frame which measured this profile."""

    def note(self, delta: Numbers) -> None:
        self.profile = self.tilt = None
        if not delta:
            return
        seen = profile.read(self.where, delta)
        if not seen.logs:
            return
        self.profile, self.tilt = seen, seen.tilt
        self.records += 1
        if self.records == 1:
            self.first_tilt = self.tilt
        if self.tilt is not None:
            self.tilts.append(self.tilt)

    def median(self, records: int) -> float:
        """The median of the last `records` tilts; there must be one."""
        return median(list(self.tilts)[-records:])


class Signals:
    """What is known about one attempt when its newest frame is judged."""

    def __init__(self, hello: Hello, settings: Mapping[str, Value], open: Mapping[str, Warning]) -> None:
        self.hello = hello
        self.layers: Sequence[Layer] = hello.layers
        self.settings = settings
        self.open = open
        self.windows = [ProfileWindow(where) for where in profile.rows(hello.layers)]
        self.weights = [i for i, layer in enumerate(hello.layers) if layer.parameters and not layer.kind.startswith("Embedding")]
        """Layers whose updates tell of the learning rate: an embedding's rows are hit too seldom."""
        self.trainable: dict[str, list[int]] = {}
        """Layers with parameters that are not frozen, by group."""
        for i, layer in enumerate(hello.layers):
            if layer.parameters and not layer.frozen:
                self.trainable.setdefault(layer.group, []).append(i)
        self.forgotten = [i for rows in self.trainable.values() for i in rows if not hello.layers[i].updated]
        """Trainable layers that no optimizer has."""
        self.first_rows = [next((i for i in rows if i in self.weights), rows[0]) for rows in self.trainable.values()]
        """Each group's first trainable layer, embeddings left out."""
        self.curves = Curves(hello)
        self.dead: deque[float] = deque(maxlen=3)
        """The worst layer's share of dead units."""
        self.first_dead: float | None = None
        """That of the first frame which measured it."""
        self.saturated: deque[float] = deque(maxlen=3)
        """The share of saturated outputs, mean over layers."""
        self.frames = 0
        self.changed = 0
        """The step from which on the network is what it is now: that of the last live change."""
        self.seen: set[str] = set()
        """Codes of the warnings opened in this attempt."""
        self.frame: Frame
        self.at_init = False
        self.broken = False
        """Whether the newest frame holds what is not finite: shares and ratios in it are that one's shadow, not measurements."""

    @property
    def adaptive(self) -> bool:
        """Whether every optimizer divides its steps by the gradient's own size, as far as is known."""
        watched = self.hello.scenario.get("optimizers")
        names = watched if isinstance(watched, list) else [self.settings.get("optimizer")]
        return bool(names) and all(str(name).lower() in ADAPTIVE for name in names)

    def free(self, rows: Sequence[int]) -> list[int]:
        """Those of `rows` that a viewer has not frozen."""
        frozen = self.settings.get("freeze", "none")
        return list(rows) if frozen == "none" else [row for row in rows if full_name(self.layers[row]) != frozen]

    def note(self, frame: Frame) -> None:
        """Take the newest frame in."""
        self.frame = frame
        self.at_init = self.frames == 0 and frame.step == 0
        self.frames += 1
        self.broken = self._damaged()
        delta = self.column(frame.delta_rms)
        for window in self.windows:
            window.note(delta)
        if not self.broken:
            self._note_shares(frame)
        self.curves.note(frame, (self.settings.get("clip"), self.settings.get("clip_threshold")))

    def _note_shares(self, frame: Frame) -> None:
        dead = [share for share in self.column(frame.dead) if share is not None]
        if dead:
            self.dead.append(max(dead))
            self.first_dead = self.dead[-1] if self.first_dead is None else self.first_dead
        saturated = [share for share in self.column(frame.saturated) if share is not None]
        if saturated:
            self.saturated.append(math.fsum(saturated) / len(saturated))

    def _damaged(self) -> bool:
        """Finite numbers mostly have a finite sum, which is all that most frames cost."""
        frame = self.frame
        measured = (frame.activation_mean, frame.activation_std, frame.delta_rms, frame.grad_norm, frame.grad_rms, frame.grad_max)
        totals = [sum(filter(None, self.column(numbers))) for numbers in (*measured, frame.weight_norm)]
        totals += [number for number in (frame.loss, frame.total_norm, frame.clipped_norm) if number is not None]
        return not all(map(math.isfinite, totals)) or any(self.column(frame.grad_nonfinite))

    def column(self, numbers: Numbers) -> Numbers:
        """One of the frame's per-layer fields; empty where it was not measured or does not fit the layers."""
        return numbers if len(numbers) == len(self.layers) else []

    def names(self, indices: Sequence[int]) -> list[str]:
        return [full_name(self.layers[index]) for index in indices]


def median(values: Sequence[float]) -> float:
    """The median; -inf and inf are fine, nan is not."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else _between(ordered[middle - 1], ordered[middle])


def _between(low: float, high: float) -> float:
    return low if low == high else (low + high) / 2
