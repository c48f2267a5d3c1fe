"""Finished frames on their way into the recording: fetched without waiting, joined with the other ranks' where there are several."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from gradtui.stream.events import Event, Frame, Log
from gradtui.stream.run_directory import RunDirectory
from gradtui.stream.writer import EventWriter
from gradtui.watching import frames, ranks
from gradtui.watching.clock import Clock
from gradtui.watching.frames import Draft
from gradtui.watching.lifetime import complain
from gradtui.watching.ranks import Ranks, Share
from gradtui.watching.sight import Sight

_LAST_WORDS = 3.0
"""Seconds that rank 0 waits at the end for the other ranks: for their shares of the last frame, and for their goodbyes."""
_LOGGED = 100
"""Metrics that are kept, by name."""


class Recorder:
    """Writes what a run has measured and logged. Without `directory` (ranks other than 0) it hands its share to rank 0."""

    def __init__(self, directory: RunDirectory | None, together: Ranks | None) -> None:
        self.logs_before_step: bool | None = None
        """Whether the loop logs a step's values before it, so that what it logs after one is of the next; None: it has not logged."""
        self._directory = directory
        self._writer = EventWriter(directory.events) if directory is not None else None
        self._ranks = together
        self._drafts: list[tuple[Draft, Sequence[Clock], int]] = []
        self._values: dict[str, float | Tensor] = {}
        self._loss_logged = False
        self._logged_at = -2
        """In which step the loop logged last."""
        self._refused: set[str] = set()
        """Names under which something was logged that is no number."""
        self._sight = Sight()
        self._silent: set[int] = set()
        self._heard: dict[int, int] = {}
        """Of which step every other rank's newest share is."""

    @property
    def pending(self) -> bool:
        """Whether there are frames that have not been written."""
        return bool(self._drafts)

    def record(self, event: Event) -> None:
        if self._writer is not None:
            self._writer.append(event)

    def awaits_log_of(self, step: int) -> bool:
        """Whether the loop is about to log, as it did after the step before: held up after that, the step's frame has its loss."""
        return self._logged_at == step - 1 and not self.logs_before_step

    def log(self, values: Mapping[str, float | Tensor], step: int, begun: bool) -> bool:
        """Values of `step`, or of the next where the loop logs before it; `begun`: whether a step has been made. Returns whether they
        were awaited."""
        if self.logs_before_step is None or ("loss" in values and not self._loss_logged):
            # A loop that logs before its first step does so before every step; an evaluation before it, without a loss, tells nothing.
            self.logs_before_step = not begun
        self._loss_logged |= "loss" in values
        awaited, self._logged_at = self.awaits_log_of(step), step
        for name, value in values.items():
            if (name in self._values or len(self._values) < _LOGGED) and (one := self._one_number(name, value)) is not None:
                self._values[name] = one
        if not self.logs_before_step and self._drafts and self._drafts[-1][0].step == step:
            self._take_values()
            self.write()
        return awaited

    def _one_number(self, name: str, value: float | Tensor) -> float | Tensor | None:
        """None for what is not one: a slip in what is logged is no reason to watch no longer. It is warned of once."""
        try:
            if not isinstance(value, Tensor):
                return float(value)
            if value.numel() == 1:
                return value.detach()
            found = f"a tensor of shape {list(value.shape)}"
        except (TypeError, ValueError, OverflowError):
            found = f"{value!r}"[:80]
        if name not in self._refused:
            self._refused.add(name)
            complain(f"gradtui: {name} was logged as {found}; it takes one number, and is left out")
        return None

    def add(self, draft: Draft, clocks: Sequence[Clock], rows: int) -> None:
        self._drafts.append((draft, clocks, rows))
        if self.logs_before_step:
            self._take_values()
            self.write()

    def write(self, wait: bool = False) -> None:
        """Write the frames whose numbers have come; with `wait`, all. Raises FileNotFoundError when the recording is gone."""
        while self._drafts and (wait or self._drafts[0][0].ready):
            if self._values and len(self._drafts) == 1 and not self.logs_before_step:
                self._take_values()
            draft, clocks, rows = self._drafts[0]
            if draft.share is None:
                draft.share = frames.share(draft, clocks, rows)
            if self._ranks is not None and self._ranks.rank > 0:
                self._ranks.publish(draft.step, draft.share)
            elif self._ranks is None:
                self._record_frame(frames.finish(draft, draft.share, clocks))
            elif wait or len(self._drafts) > 1 or self._ranks.complete(draft.step):
                self._record_frame(self._joined(self._ranks, draft, draft.share, clocks, rows))
            else:
                return
            self._drafts.pop(0)
            if self._directory is not None and not self._directory.events.exists():
                raise FileNotFoundError(f"{self._directory.path}: the run directory is gone")

    def _record_frame(self, frame: Frame) -> None:
        self.record(frame)
        if lost := self._sight.lost(frame):
            self.record(Log(text=lost))

    def take_last_values(self) -> dict[str, float]:
        """What was logged after the last frame."""
        values, self._values = self._values, {}
        return {name: float(value) for name, value in values.items()}

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def flush(self, wait: bool = True) -> None:
        """Write all that is to be written; `wait`: for the other ranks, too."""
        if wait:
            self._wait_for_other_ranks()
        self.write(wait=True)

    def _wait_for_other_ranks(self) -> None:
        together = self._ranks
        if together is None or together.rank > 0:
            return
        _wait_until(lambda: not self._drafts or together.complete(self._drafts[-1][0].step))

    def tell_who_is_gone(self) -> None:
        """This rank has crashed, perhaps over another that died: it alone cannot say goodbye."""
        together = self._ranks
        if together is None or together.rank > 0:
            return
        _wait_until(lambda: not together.unaccounted())
        for rank in together.unaccounted():
            since = f"since step {self._heard[rank]}" if rank in self._heard else "at all"
            self.record(Log(text=f"gradtui: rank {rank} has not been heard of {since}: it did not end as this rank did"))

    def say_goodbye(self) -> None:
        if self._ranks is not None and self._ranks.rank > 0:
            self._ranks.say_goodbye()

    def _take_values(self) -> None:
        """What was logged goes into the newest frame."""
        self._drafts[-1][0].logged |= {name: frames.number(value) for name, value in self._values.items()}
        self._values.clear()

    def _joined(self, together: Ranks, draft: Draft, own: Share, clocks: Sequence[Clock], rows: int) -> Frame:
        """The frame of all ranks' shares; a rank whose share has not come is named, once."""
        shares = {0: own} | together.collect(draft.step)
        self._heard |= dict.fromkeys(shares, draft.step)
        silent = set(range(together.size)) - set(shares)
        if silent - self._silent:
            names = ", ".join(map(str, sorted(silent - self._silent)))
            self.record(Log(text=f"gradtui: rank {names} has not reported step {draft.step}: its share is missing until it does again"))
        self._silent = silent
        copies = [0] * rows
        for clock in clocks:
            for place, parameters in zip(clock.probe.places, clock.probe.row_parameters, strict=True):
                copies[place] = ranks.copies(parameters, together.size)
        found, spread = ranks.join(shares, copies, together.size)
        draft.metrics |= spread
        return frames.finish(draft, found, clocks)


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LAST_WORDS
    while time.monotonic() < deadline and not holds():
        time.sleep(0.02)
