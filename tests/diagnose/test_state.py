"""The reducer: what it keeps of each event, what a restart forgets, and that it stays bounded."""

from __future__ import annotations

from gradtui.diagnose.state import LOG_LINE, LOG_LINES, RunState
from gradtui.stream.events import End, Event, Log, Toggle, decode, encode
from tests.diagnose.streams import applied, deltas, edges, frame, hello, layers, started


def test_hello_sets_the_toggles_as_they_stand() -> None:
    state = started(activation="relu")
    assert state.settings == {"clip": "off", "batch_norm": "off", "skip": "off", "activation": "relu", "lr": 0.02}
    assert (state.attempt, state.frame, state.ghost, state.paused, state.end) == (0, None, None, False, None)


def test_first_and_newest_frame() -> None:
    state = started()
    for step in (0, 10, 20):
        state.apply(frame(step))
    assert state.first is not None
    assert state.frame is not None
    assert (state.first.step, state.frame.step) == (0, 20)


def test_an_applied_toggle_changes_the_setting_and_leaves_a_ghost_and_a_mark() -> None:
    state = started()
    state.apply(frame(10, -2.0))
    state.apply(applied(11, "batch_norm", "on"))
    state.apply(frame(20))
    assert state.settings["batch_norm"] == "on"
    assert state.ghost is not None
    assert (state.ghost.step, state.ghost.delta_rms) == (10, deltas(-2.0))
    assert [tuple(mark) for mark in state.history.marks] == [(11, "batch_norm", "on")]


def test_a_refusal_or_the_same_value_again_changes_nothing() -> None:
    """Catches a ghost that jumps forward because a key was pressed to no effect."""
    state = started()
    state.apply(frame(10))
    state.apply(applied(11, "batch_norm", "on", reason="does not apply"))
    state.apply(applied(12, "clip", "off"))
    assert (state.settings["batch_norm"], state.ghost, state.history.marks) == ("off", None, [])


def test_a_toggle_before_the_first_frame_leaves_a_mark_and_no_ghost() -> None:
    state = started()
    state.apply(applied(0, "clip", "norm"))
    assert (state.ghost, len(state.history.marks)) == (None, 1)


def test_a_toggle_that_waits_for_a_restart_leaves_neither_ghost_nor_mark() -> None:
    state = RunState()
    state.apply(hello(toggles=[Toggle(key="depth", label="depth", kind="number", value=8, live=False)]))
    state.apply(frame(10))
    state.apply(applied(11, "depth", 20))
    assert (state.settings["depth"], state.ghost, state.history.marks) == (20, None, [])


def test_the_pace_is_no_change_of_the_training() -> None:
    """Else the mark of what the toggle before it did is lost as soon as somebody looks closer."""
    state = started()
    state.apply(frame(10))
    state.apply(applied(11, "pace", 5.0))
    assert (state.settings["pace"], state.ghost, state.history.marks) == (5.0, None, [])


def test_pause_resume_and_step() -> None:
    state = started()
    seen = []
    for verb in ("pause", "resume", "step", "detach", "resume"):
        state.apply(applied(5, verb))
        seen.append(state.paused)
    assert seen == [True, False, True, True, False]
    assert state.history.marks == []
    state.apply(applied(5, "pause", reason="already over"))
    assert not state.paused


def test_a_restart_forgets_the_attempt_and_keeps_its_last_profile_as_the_ghost() -> None:
    state = started()
    edges(state, [frame(5 * i, -2.5) for i in range(10)])
    state.apply(applied(46, "clip", "norm"))
    state.apply(frame(50, -2.4))
    state.apply(applied(51, "pause"))
    state.apply(End(reason="crashed", step=51, error="boom"))
    assert list(state.open) == ["vanishing"]
    closed = state.apply(hello(settings={"clip": "norm"}))
    assert [(w.code, w.state, w.step) for w in closed] == [("vanishing", "closed", 50)]
    assert (state.attempt, state.frame, state.first, state.end, state.paused) == (1, None, None, None, False)
    assert (state.open, state.warnings, state.history.loss.points) == ({}, [], [])
    assert state.settings["clip"] == "norm"
    assert state.ghost is not None
    assert state.ghost.delta_rms == deltas(-2.4)
    assert [mark.toggle for mark in state.history.marks] == ["clip"]
    assert state.history.earlier_marks == 1


def test_a_restart_forgets_what_the_rules_had_counted() -> None:
    """Catches windows or streaks that survive: vanishing would open at the first frames of the new attempt."""
    state = started()
    assert edges(state, [frame(5 * i, -2.5) for i in range(5)]) == []
    state.apply(hello())
    assert edges(state, [frame(5 * i, -2.5) for i in range(6)]) == [(25, "vanishing", "opened", "warning")]


def test_attempts_count_up_whatever_the_trainer_says() -> None:
    state = started()
    state.apply(hello())
    state.apply(hello(attempt=7))
    assert state.attempt == 7
    state.apply(hello())
    assert state.attempt == 8


def test_open_holds_the_newest_edge_and_warnings_all_of_them() -> None:
    state = started()
    edges(state, [frame(5 * i, -2.5 if i < 10 else -3.5) for i in range(20)])
    assert [w.state for w in state.warnings] == ["opened", "escalated"]
    assert state.open == {"vanishing": state.warnings[-1]}
    edges(state, [frame(100 + 5 * i) for i in range(20)])
    assert (state.open, [w.state for w in state.warnings]) == ({}, ["opened", "escalated", "closed"])


def test_a_warning_is_dated_by_when_it_began_and_by_when_it_opened() -> None:
    state = started()
    edges(state, [frame(5 * i, 0.0 if i < 20 else -2.5) for i in range(30)])
    warning = state.open["vanishing"]
    # tilts are low from record 20 (step 100); the median of five follows at record 22
    assert (warning.evidence.numbers["since"], warning.step) == (110, 125)


def test_memory_is_bounded() -> None:
    """Catches any list that grows with the run."""
    state = started()
    for i in range(3000):
        state.apply(frame(i, update_ratio=[2.0 if i % 25 == 0 else 0.0] * 5))
        state.apply(applied(i, "lr", 0.01 + i))
        state.apply(Log(text="x" * 10_000))
    assert len(state.log) == LOG_LINES
    assert len(state.log[0]) == LOG_LINE
    assert len(state.warnings) <= 1000
    assert len(state.history.marks) <= 200
    assert len(state.history.loss.points) <= 512


def test_frames_without_a_hello_are_shown_and_not_judged() -> None:
    state = RunState()
    assert [state.apply(frame(5 * i, -9.0)) for i in range(10)] == [[]] * 10
    assert state.frame is not None


def test_the_same_events_give_the_same_edges_after_the_wire() -> None:
    """A replay reads what the wire carried: non-finite numbers and None included."""
    events: list[Event] = [hello(), *(frame(5 * i, -3.0) for i in range(8)), applied(41, "batch_norm", "on")]
    events += [frame(45, delta_rms=[float("inf"), None, 0.0, 1.0, 1.0]), End(reason="finished", step=45)]
    live, replayed = RunState(), RunState()
    assert [live.apply(e) for e in events] == [replayed.apply(decode(encode(e))) for e in events]
    assert [w.code for w in live.warnings] == ["vanishing", "non-finite"]


def test_what_held_before_a_change_of_the_network_opens_no_warning_after_it() -> None:
    """Catches a vanishing that opens on the frames before its cure, whose newest profile grows."""
    cured = [frame(35, 0.5), frame(40, 0.5), frame(45, 0.5)]
    for toggle, value, opened in (("batch_norm", "on", []), ("pace", 20.0, ["vanishing"])):
        state = started()
        edges(state, [frame(5 * i, -2.5) for i in range(5)])
        state.apply(applied(25, toggle, value))
        edges(state, [frame(25, -2.5), *cured] if toggle == "pace" else cured)
        assert [warning.code for warning in state.warnings] == opened


def test_a_restart_with_other_layers_leaves_no_ghost() -> None:
    state = started()
    state.apply(frame(0, -2.0))
    state.apply(hello(layers(6), attempt=1))
    assert state.ghost is None


def test_weights_drawn_anew_leave_a_mark_and_a_ghost_though_init_stays_what_it_is() -> None:
    state = RunState()
    state.apply(hello(toggles=[Toggle(key="init", label="init", kind="choice", value="he", choices=["xavier", "he"])]))
    state.apply(frame(0))
    state.apply(applied(1, "init", "he"))
    assert [mark.toggle for mark in state.history.marks] == ["init"]
    assert state.ghost is state.frame
