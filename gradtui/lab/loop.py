"""The trainer's loop: steps, frames, the schedule and the viewers' commands, each in its place between two steps."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping

import msgspec
import torch

from gradtui.lab import families
from gradtui.lab.devices import choose_device
from gradtui.lab.errors import SettingError
from gradtui.lab.hello import hello
from gradtui.lab.learner import Measured
from gradtui.lab.sessions import Training, begin
from gradtui.lab.spec import Spec
from gradtui.stream.commands import Command, CommandError, CommandReader
from gradtui.stream.events import SCHEDULED, Applied, End, Hello, Value
from gradtui.stream.writer import EventWriter

EVALUATE_EVERY = 50
"""Steps between two looks at the test set."""
NAP = 0.02
"""Seconds between two looks at the commands while paused or holding the pace."""


class Loop:
    """Trains what `spec` says until it is finished or told to stop."""

    def __init__(
        self, spec: Spec, writer: EventWriter, commands: CommandReader, stopping: threading.Event, detach: Callable[[], None]
    ) -> None:
        self._spec = spec
        self._writer = writer
        self._commands = commands
        self._stopping = stopping
        self._detach = detach
        self._device = choose_device(spec.device)
        if self._device.type == "cpu" and not families.is_own(spec.scenario.model):
            torch.set_num_threads(1)  # the lab's networks are too small to share: threads that wait for each other cost more
        self._started = time.monotonic()
        self._paused = False
        self._single = False
        self._attempt = 0
        self._begin(self._new_session(spec.settings))

    def run(self) -> End:
        """Train to the end; returns the event that says which. What the training raises passes through."""
        while not self._stopping.is_set():
            if self._spec.steps is not None and self._session.step >= self._spec.steps:
                return End(reason="finished", step=self._session.step - 1)
            self._obey()
            if self._stopping.is_set():
                break
            if self._paused and not self._single:
                time.sleep(NAP)
                continue
            self._follow_schedule()
            self._take_step()
            self._single = False
            self._keep_pace()
        return End(reason="stopped", step=self._session.step - 1)

    @property
    def step(self) -> int:
        """Steps taken in this attempt."""
        return self._session.step

    # -- beginning -------------------------------------------------------------------------------------------------

    def _new_session(self, settings: Mapping[str, Value]) -> Training:
        """Raises SettingError."""
        return begin(self._spec.scenario, settings, self._spec.seed, self._device)

    def _begin(self, session: Training) -> None:
        self._session = session
        self._frame_time = self._due = time.monotonic()
        self._frame_step = -1
        self._writer.append(self._hello())
        sys.stdout.flush()  # what was printed before it is recorded after it
        sys.stderr.flush()

    def _hello(self) -> Hello:
        return hello(
            self._session,
            self._device,
            run=self._spec.name,
            scenario=describe(self._spec, self._session),
            seed=self._spec.seed,
            started=time.time(),
            steps=self._spec.steps,
            attempt=self._attempt,
        )

    # -- commands --------------------------------------------------------------------------------------------------

    def _obey(self) -> None:
        for command in self._commands.poll():
            if isinstance(command, CommandError):
                self._answer(command.id, "", reason=str(command))
            elif command.do:
                self._do(command)
            else:
                for key, value in command.set.items():
                    self._set(command.id, key, value)

    def _do(self, command: Command) -> None:
        if command.do == "restart":
            self._restart(command.id)
            return
        self._answer(command.id, command.do)
        match command.do:
            case "pause":
                self._paused = True
            case "resume":
                self._paused = False
            case "step":
                self._paused = self._single = True
            case "stop":
                self._stopping.set()
            case "detach":
                self._detach()

    def _restart(self, id: str) -> None:
        """Begin again with the toggles as they are; where they cannot be had together, go on with what there is."""
        try:
            session = self._new_session(self._session.settings)
        except SettingError as error:
            self._answer(id, "restart", reason=str(error))
            return
        self._answer(id, "restart")
        self._paused = False  # as whoever reads the new hello takes it to be
        self._attempt += 1
        self._begin(session)

    def _follow_schedule(self) -> None:
        if self._attempt:
            return  # a restart keeps the toggles as they are; the schedule had its turn
        for scheduled in self._spec.schedule:
            if scheduled.step == self._session.step:
                self._set(f"{SCHEDULED}{scheduled.step}", scheduled.key, scheduled.value)

    def _set(self, id: str, key: str, value: Value) -> None:
        try:
            kept, note = self._session.set(key, value)
        except SettingError as error:
            self._answer(id, key, value, reason=str(error))
        else:
            self._answer(id, key, kept, note=note)

    def _answer(self, id: str, toggle: str, value: Value | None = None, reason: str = "", note: str = "") -> None:
        self._writer.append(Applied(id=id, step=self._session.step, toggle=toggle, value=value, reason=reason, note=note))

    # -- steps and frames ------------------------------------------------------------------------------------------

    def _take_step(self) -> None:
        step = self._session.step
        last = step + 1 == self._spec.steps
        measured = self._session.take_step(measure=last or self._wants_frame(step))
        if last or step % EVALUATE_EVERY == 0:
            self._session.evaluate()
        if measured:
            self._write_frame(step, measured)

    def _wants_frame(self, step: int) -> bool:
        if self._single:
            return True
        if self._spec.every is not None:
            return step % self._spec.every == 0
        assert self._spec.rate is not None
        return step == 0 or time.monotonic() - self._frame_time >= 1 / self._spec.rate

    def _write_frame(self, step: int, measured: Measured) -> None:
        now = time.monotonic()
        rate = (step - self._frame_step) / (now - self._frame_time) if now > self._frame_time else None
        self._frame_time, self._frame_step = now, step
        pace = round(rate, 2) if rate is not None else None
        self._writer.append(measured.frame(step, self._session.metrics, round(now - self._started, 4), pace))

    def _keep_pace(self) -> None:
        """Hold the steps a second that the toggle `pace` asks for, obeying commands meanwhile."""
        pace = float(self._session.settings["pace"])
        if not pace:
            return
        self._due = max(self._due, time.monotonic() - 1) + 1 / pace
        while (wait := self._due - time.monotonic()) > 0 and not self._stopping.is_set():
            time.sleep(min(NAP, wait))
            if wait > NAP:
                self._obey()


def describe(spec: Spec, session: Training) -> dict[str, object]:
    """The scenario, whole, with the toggles as they now stand."""
    table: dict[str, object] = msgspec.to_builtins(spec.scenario)
    return table | {"settings": dict(session.settings)}
