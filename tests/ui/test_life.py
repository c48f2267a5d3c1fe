import os
import socket
from dataclasses import dataclass

import msgspec
import pytest

from gradtui.diagnose.state import RunState
from gradtui.stream.events import Applied, End, Event
from gradtui.ui.life import Life, cause_of_death, duration, life
from tests.ui import recordings as rec


@dataclass
class Process:
    returncode: int | None = None

    @property
    def alive(self) -> bool:
        return self.returncode is None


def after(*events: Event) -> RunState:
    state = RunState()
    for event in (rec.hello(rec.layers(3)), *events):
        state.apply(event)
    return state


FRAME = rec.frame(0, [0.1, 0.1, 0.1])
PAUSED = Applied(id="1", step=1, toggle="pause")


def test_silence_is_told_as_exactly_as_one_asks() -> None:
    told = [duration(seconds) for seconds in (12.4, 119, 120, 725, 7199, 7200, 93784, 1e7)]
    assert told == ["12s", "119s", "2 min", "12 min", "120 min", "2 h", "26 h", "2,778 h"]


def test_each_state_has_its_word() -> None:
    assert life(RunState(), Process(), 0).word == "STARTING"
    assert life(after(FRAME), Process(), 0).word == "RUN"
    assert life(after(FRAME, PAUSED), Process(), 100).word == "PAUSED"
    assert life(after(FRAME), Process(), 12.4) == Life("SILENT", "12s")
    assert life(after(FRAME, End(reason="finished", step=9)), Process(0), 0).word == "DONE"
    assert life(after(FRAME, End(reason="stopped", step=9)), Process(0), 0).word == "STOPPED"
    assert life(after(FRAME), Process(), 0, behind=True).word == "READING"


def test_a_crash_is_told_with_its_error() -> None:
    assert life(after(FRAME, End(reason="crashed", step=9, error="ValueError: no")), Process(3), 0) == Life("CRASHED", "ValueError: no")


@pytest.mark.parametrize(
    ("scenario", "advice"),
    [
        ({"name": "deep-sigmoid", "model": "mlp"}, "l shows what it printed."),
        ({"name": "mine", "watched": True}, "Start it again where you started it: what it printed is there."),
    ],
)
def test_no_key_starts_again_what_this_viewer_did_not_start(scenario: dict[str, object], advice: str) -> None:
    state = RunState()
    state.apply(msgspec.structs.replace(rec.hello(rec.layers(3)), scenario=scenario))
    state.apply(End(reason="crashed", step=9, error="ValueError: no"))
    assert life(state, None, 0) == Life("CRASHED", "ValueError: no", advice)
    assert life(state, Process(3), 0).advice.startswith("r starts it again")
    gone = RunState()
    gone.apply(msgspec.structs.replace(rec.hello(rec.layers(3)), scenario=scenario, pid=2**22, host=socket.gethostname()))
    assert life(gone, None, 0).advice == advice


def test_a_trainer_killed_without_a_word_has_crashed_even_while_paused() -> None:
    assert life(after(FRAME, PAUSED), Process(-9), 0).word == "CRASHED"
    assert "SIGKILL" in life(after(FRAME), Process(-9), 0).detail


def test_imports_that_take_long_are_not_called_silence_at_once() -> None:
    assert life(after(), Process(), 15).word == "STARTING"
    assert life(after(), Process(), 31).word == "SILENT"


def test_an_attached_run_whose_process_is_gone_has_crashed() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    state = RunState()
    state.apply(msgspec.structs.replace(rec.hello(rec.layers(3)), pid=pid, host=socket.gethostname()))
    assert life(state, None, 0).word == "CRASHED"


def test_a_run_on_another_host_is_not_looked_for_here() -> None:
    state = RunState()
    state.apply(msgspec.structs.replace(rec.hello(rec.layers(3)), pid=2**22, host="elsewhere"))
    state.apply(FRAME)
    assert life(state, None, 0).word == "RUN"


def test_a_new_trainer_is_starting_though_its_predecessor_ended() -> None:
    ended = after(FRAME, End(reason="crashed", step=9))
    assert life(ended, Process(), 0, restarting=True).word == "STARTING"
    assert life(ended, Process(1), 0, restarting=True).word == "CRASHED"


@pytest.mark.parametrize(("code", "words"), [(-15, "SIGTERM"), (-99, "signal 99"), (3, "exit code 3")])
def test_causes_of_death_are_named(code: int, words: str) -> None:
    assert words in cause_of_death(code)


def test_a_run_of_another_host_is_silent_and_never_crashed() -> None:
    """The process behind its number here, or none, is not its own."""
    state = RunState()
    state.apply(msgspec.structs.replace(rec.hello(rec.layers(3)), pid=2**22, host="compute-7"))
    state.apply(FRAME)
    assert life(state, None, 9.0).word == "RUN"
    assert life(state, None, 7200.0) == Life("SILENT", "2 h")
