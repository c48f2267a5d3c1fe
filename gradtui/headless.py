"""A run without a screen: its events as JSON lines or as text on standard output, judged as they come.

It reads the run directory as every viewer does, so following a run that somebody else started, or one that ended long
ago, is the same code. Standard output is data; the progress bar and what went wrong go to standard error.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from gradtui import launch, summary
from gradtui.diagnose.at_init import compare
from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.exits import BROKEN_PIPE, CRASHED, USAGE, Interrupted, complain, interruptible
from gradtui.lab.spec import Spec
from gradtui.stream.events import SCHEDULED, Applied, Event, Frame, encode
from gradtui.stream.follower import Follower
from gradtui.stream.liveness import gone
from gradtui.stream.run_directory import RunDirectory

NAP = 0.05
"""Seconds between two looks at a run that has nothing new."""

ASCII = str.maketrans("█│┤└┘┌┐─┬±", "#||++++-+~")
BAR = 30
"""Characters of the progress bar."""


class Reader:
    """The events of a run, each once, though the recording may be thinned meanwhile."""

    def __init__(self, run: RunDirectory) -> None:
        self._events = run.events
        self._follower = Follower(run.events)
        self._last = b""

    @property
    def passed_over(self) -> str:
        """What a person should know of lines that could not be read; empty: nothing."""
        return self._follower.lines.told(self._events)

    def poll(self) -> list[Event]:
        batch = self._follower.poll()
        events = batch.events
        if batch.rewound:
            while batch.more:
                batch = self._follower.poll()
                events = batch.events if batch.rewound else events + batch.events
            events = self._unseen(events)
        if events:
            self._last = encode(events[-1])
        return events

    def _unseen(self, events: list[Event]) -> list[Event]:
        """What follows the last event seen: thinning leaves the newest as they are. All of them, if it is not there."""
        for index in range(len(events) - 1, -1, -1):
            if encode(events[index]) == self._last:
                return events[index + 1 :]
        return events


class Printer(Protocol):
    """How events are printed."""

    def event(self, event: Event, edges: Sequence[Warning], state: RunState) -> None: ...

    def moment(self, state: RunState) -> None:
        """Called after each look at the run, new events or none."""

    def end(self, watch: Watch) -> None: ...


class Watch:
    """One reading of a run: its state, and what must be known of it at the end."""

    def __init__(self, run: RunDirectory, printer: Printer) -> None:
        self.state = RunState()
        self.first: Frame | None = None
        """The run's very first frame, before any restart."""
        self.edges: list[Warning] = []
        self.refused: list[str] = []
        """What was scheduled and could not be done."""
        self._reader = Reader(run)
        self._printer = printer

    @property
    def seen(self) -> set[str]:
        """The codes of all warnings that were open at some time."""
        return {edge.code for edge in self.edges}

    @property
    def passed_over(self) -> str:
        """What a person should know of lines that could not be read; empty: nothing."""
        return self._reader.passed_over

    def follow(self, over: Callable[[RunState], bool]) -> None:
        """Print the run until `over`, and to the last event written by then."""
        while True:
            last_look = over(self.state)
            while self.look():
                pass
            if last_look:
                return
            time.sleep(NAP)

    def look(self) -> int:
        """Print what is new; returns how many events there were."""
        events = self._reader.poll()
        for event in events:
            edges = self.state.apply(event)
            self.edges += edges
            if isinstance(event, Applied) and event.reason and event.id.startswith(SCHEDULED):
                self.refused.append(summary.change(event))
            if self.first is None:
                self.first = self.state.frame
            self._printer.event(event, edges, self.state)
        self._printer.moment(self.state)
        return len(events)


class JsonLines:
    """Every event on a line, and what is derived in its place: theory beside an attempt's first frame, and every warning."""

    def event(self, event: Event, edges: Sequence[Warning], state: RunState) -> None:
        theory = compare(state.hello, event) if isinstance(event, Frame) and state.hello and state.first is event else None
        sys.stdout.buffer.write(b"".join(map(encode, (event, *([theory] if theory else []), *edges))))

    def moment(self, state: RunState) -> None:
        sys.stdout.buffer.flush()

    def end(self, watch: Watch) -> None:
        pass


class Text:
    """A line a second, one for each change and each warning, a summary; a progress bar if standard error is a terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock() + 1
        self._said = -1
        self._bar = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def event(self, event: Event, edges: Sequence[Warning], state: RunState) -> None:
        if isinstance(event, Applied):
            self._print(summary.change(event))
        for edge in edges:
            self._print(summary.edge(edge))

    def moment(self, state: RunState) -> None:
        if state.frame and self._clock() >= self._due and state.frame.step != self._said:
            self._said = state.frame.step
            self._due = self._clock() + 1
            self._print(summary.line(state))
        self._draw_bar(state)

    def end(self, watch: Watch) -> None:
        self._print("\n" + summary.whole(watch.state, watch.first, watch.edges))

    def _print(self, text: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        if self._bar:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        try:
            data = text.encode(encoding)
        except UnicodeEncodeError:
            data = text.translate(ASCII).encode(encoding, "replace")
        sys.stdout.buffer.write(data + b"\n")
        sys.stdout.buffer.flush()

    def _draw_bar(self, state: RunState) -> None:
        if not self._bar or not state.frame or not state.hello or not state.hello.steps:
            return
        done = (state.frame.step + 1) / state.hello.steps
        filled = "#" * round(done * BAR)
        sys.stderr.write(f"\r[{filled:<{BAR}}] {state.frame.step + 1}/{state.hello.steps}\x1b[K" if done < 1 else "\r\x1b[K")
        sys.stderr.flush()


def train(spec: Spec, run: RunDirectory, printer: Printer) -> tuple[Watch, int]:
    """Start a training, print it to its end and leave no trainer behind; returns what was seen, and the exit code.

    Raises RunError when it cannot be started.
    """
    watch = Watch(run, printer)
    with interruptible():
        trainer = launch.start(spec, run)
        try:
            code = _follow(watch, lambda _: not trainer.alive)
            if code not in (0, BROKEN_PIPE):
                trainer.stop()
                _follow(watch, lambda _: True)  # its last words
        finally:
            returncode = trainer.stop()
    if code == 0 and (returncode or _crashed(watch.state)):
        code = USAGE if returncode == USAGE else CRASHED
        complain(_cause(watch.state, returncode, run))
    elif code == 0 and (cut := _cut_short(watch.state)):
        code = CRASHED
        complain(f"{run.name}: {cut}")
    return _finish(watch, printer, code)


def attach(run: RunDirectory, printer: Printer) -> tuple[Watch, int]:
    """Print a run that somebody else started to its end, and never stop it; returns what was seen, and the exit code."""
    if _is_empty(run):
        complain(f"{run.name}: nothing is recorded yet; waiting for its trainer to begin")
    return _print_to(run, printer, lambda state: state.end is not None or _gone(state))


def replay(run: RunDirectory, printer: Printer) -> tuple[Watch, int]:
    """Print what is recorded by now, and wait for nothing; returns what was seen, and the exit code that the run had."""
    return _print_to(run, printer, lambda _: True)


def _print_to(run: RunDirectory, printer: Printer, over: Callable[[RunState], bool]) -> tuple[Watch, int]:
    watch = Watch(run, printer)
    with interruptible():
        code = _follow(watch, over)
    if code == 0 and (_crashed(watch.state) if watch.state.end else _gone(watch.state)):
        code = CRASHED
        complain(f"{run.name}: {_cause(watch.state, None, run)}")
    return _finish(watch, printer, code)


def _follow(watch: Watch, over: Callable[[RunState], bool]) -> int:
    """Print the run until `over`; returns 0, or the exit code of what cut it short."""
    try:
        watch.follow(over)
    except Interrupted as interrupted:
        return interrupted.code
    except BrokenPipeError:
        return BROKEN_PIPE
    return 0


def _finish(watch: Watch, printer: Printer, code: int) -> tuple[Watch, int]:
    if code == BROKEN_PIPE:
        return watch, code
    try:
        printer.end(watch)
    except BrokenPipeError:
        return watch, BROKEN_PIPE
    if watch.passed_over:
        complain(watch.passed_over)
    return watch, code


def _is_empty(run: RunDirectory) -> bool:
    try:
        return run.events.stat().st_size == 0
    except OSError:
        return False


def _gone(state: RunState) -> bool:
    """The trainer is no more and has said no word."""
    return state.hello is not None and gone(state.hello)


def _crashed(state: RunState) -> bool:
    return state.end is not None and state.end.reason == "crashed"


def _cut_short(state: RunState) -> str:
    """Why a training that nobody here has stopped did not come to its end; empty: it did."""
    if state.end is None:
        return "the end is missing from its recording: it was removed, or the disk is full"
    return f"somebody else stopped it at step {state.end.step}" if state.end.reason == "stopped" else ""


def _cause(state: RunState, returncode: int | None, run: RunDirectory) -> str:
    """Why a trainer has ended before its time, and where to read on."""
    output = f"; its output is in {run.trainer_log}" if _printed(run) else ""
    if state.end and _crashed(state):
        return f"the trainer {'could not begin' if state.hello is None else 'crashed'}: {state.end.error}{output}"
    if returncode is None:
        return f"the trainer is gone and said no reason{output}"
    if returncode < 0:
        return f"the trainer was killed by signal {-returncode}{output}"
    return f"the trainer ended with exit code {returncode}{output or ' and without a word: is the disk full?'}"


def _printed(run: RunDirectory) -> bool:
    try:
        return run.trainer_log.stat().st_size > 0
    except OSError:
        return False
