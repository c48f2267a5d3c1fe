"""Headless reading: every event once and judged in its place, whatever happens to the recording, and a text that is plain."""

from __future__ import annotations

import io
import itertools
import math
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from gradtui import headless, plots, summary
from gradtui.headless import JsonLines, Reader, Text, Watch
from gradtui.stream.events import Applied, End, Event, Frame, Hello, Layer, Log, Toggle, decode, encode
from gradtui.stream.run_directory import RunDirectory
from gradtui.stream.thinning import thin
from tests.stream.test_events import strict

LAYERS = 8


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def hello(**changes: Any) -> Hello:
    fields: dict[str, Any] = {
        "run": "test",
        "scenario": {"name": "test"},
        "seed": 0,
        "device": "cpu",
        "versions": {},
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": 1e9,
        "layers": [Layer(name=f"hidden.{i}", kind="Linear", shape=[4, 4], parameters=20) for i in range(LAYERS)],
        "toggles": [],
        "steps": 100,
    }
    return Hello(**(fields | changes))


def frame(step: int, decades: float = 0.0, **changes: Any) -> Frame:
    """A frame whose deltas fall by `decades` from the last layer to the first."""
    delta = [10 ** (-2 - decades * (1 - i / (LAYERS - 1))) for i in range(LAYERS)]
    fields: dict[str, Any] = {"step": step, "time": step / 10, "loss": 2.3, "metrics": {"accuracy": 0.5}, "total_norm": 1.0}
    return Frame(**(fields | {"delta_rms": delta} | changes))


def sick(count: int = 10) -> list[Event]:
    return [hello(), *(frame(10 * i, decades=6) for i in range(count))]


def write(run: RunDirectory, *events: Event) -> None:
    with run.events.open("ab") as file:
        file.write(b"".join(map(encode, events)))


class Captured:
    """Standard output and error so far."""

    def __init__(self, capsys: pytest.CaptureFixture[bytes]) -> None:
        self._capsys = capsys
        self._out = self._error = b""

    def _read(self) -> None:
        out, error = self._capsys.readouterr()
        self._out += out
        self._error += error

    @property
    def bytes(self) -> bytes:
        self._read()
        return self._out

    @property
    def text(self) -> str:
        return self.bytes.decode()

    @property
    def error(self) -> str:
        self._read()
        return self._error.decode()


@pytest.fixture
def captured(capsysbinary: pytest.CaptureFixture[bytes]) -> Captured:
    return Captured(capsysbinary)


def test_json_lines_are_the_recording_with_warnings_in_their_place(run: RunDirectory, captured: Captured) -> None:
    events = [*sick(), Log(text="\x1b[31mevil\n"), *(frame(s) for s in range(100, 200, 10)), End(reason="finished", step=199)]
    write(run, *events)
    _, code = headless.attach(run, JsonLines())
    lines = captured.bytes.splitlines(keepends=True)
    warnings = [(index, strict(line)) for index, line in enumerate(lines) if b'"type":"warning"' in line]
    assert code == 0
    assert [line for line in lines if b'"type":"warning"' not in line] == [encode(event) for event in events]
    assert next((w["code"], w["state"]) for _, w in warnings) == ("vanishing", "opened")
    assert [(w["code"], w["state"]) for _, w in warnings][-1] == ("vanishing", "closed")
    for index, found in warnings:
        before = next(strict(line) for line in reversed(lines[:index]) if b'"type":"frame"' in line)
        assert before["step"] == found["step"]


def test_every_line_is_strict_json_even_when_nothing_is_finite(run: RunDirectory, captured: Captured) -> None:
    bad = [math.nan, math.inf, -math.inf, None] * (LAYERS // 4)
    write(run, hello(), *(frame(s, loss=math.nan, total_norm=math.inf, delta_rms=bad, grad_norm=bad) for s in range(5)))
    write(run, End(reason="stopped", step=4))
    headless.attach(run, JsonLines())
    found = [strict(line) for line in captured.bytes.splitlines()]
    assert {event["type"] for event in found} == {"hello", "frame", "warning", "end"}
    assert found[1]["delta_rms"][:3] == ["nan", "inf", "-inf"]


def test_every_event_is_read_once_though_the_recording_is_thinned(run: RunDirectory) -> None:
    reader = Reader(run)
    write(run, hello(), *(frame(s) for s in range(100)), Applied(id="a", step=100, toggle="lr", value=0.1))
    assert len(reader.poll()) == 102
    write(run, frame(100), frame(101))
    thin(run.events, target=20_000)
    write(run, frame(102))
    assert [event.step for event in reader.poll() if isinstance(event, Frame)] == [100, 101, 102]
    assert reader.poll() == []


def test_a_recording_that_is_replaced_altogether_is_read_anew(run: RunDirectory) -> None:
    reader = Reader(run)
    write(run, hello(), frame(0))
    reader.poll()
    run.events.unlink()
    write(run, hello(run="another"), frame(7))
    assert [event.step for event in reader.poll() if isinstance(event, Frame)] == [7]


def test_a_trainer_that_died_without_a_word_is_a_crash(run: RunDirectory, captured: Captured) -> None:
    write(run, hello(pid=2**22 + 1), frame(0))
    with run.events.open("ab") as file:
        file.write(b'{"type":"fra')
    assert headless.attach(run, JsonLines())[1] == 3
    assert "the trainer is gone" in captured.error
    assert [type(decode(line)) for line in captured.bytes.splitlines()] == [Hello, Frame]


def test_a_crash_is_told_with_its_error_and_no_escapes(run: RunDirectory, captured: Captured) -> None:
    write(run, hello(), frame(0), End(reason="crashed", step=0, error="RuntimeError: \x1b[2J\nboom"))
    assert headless.attach(run, Text())[1] == 3
    error = captured.error
    assert "RuntimeError: \\x1b[2J boom" in error
    assert error.count("\n") == 1
    assert "\x1b" not in captured.text


def test_a_first_frame_of_an_earlier_attempt_is_the_before_of_the_summary(run: RunDirectory, captured: Captured) -> None:
    write(run, hello(), frame(0, decades=6), hello(attempt=1), frame(0), frame(30), End(reason="finished", step=30))
    watch, _ = headless.attach(run, JsonLines())
    assert watch.first == frame(0, decades=6)


def test_text_says_each_edge_and_the_state_once_a_second(run: RunDirectory, captured: Captured) -> None:
    now = [0.0]
    watch = Watch(run, Text(clock=lambda: now[0]))
    write(run, hello(), frame(0))
    watch.look()
    assert captured.text == ""
    now[0] = 1.5
    watch.look()
    watch.look()
    assert captured.text.count("step 0  loss 2.3") == 1
    write(run, *sick()[2:])
    watch.look()
    assert "VANISHING" in captured.text


def test_the_summary_is_plain_eighty_columns_with_both_profiles(run: RunDirectory, captured: Captured) -> None:
    write(run, *sick(), *(frame(s) for s in range(100, 200, 10)), End(reason="finished", step=199))
    headless.attach(run, Text())
    text = captured.text
    assert "\x1b" not in text
    charts = text[text.index("delta at step 0") :]
    assert "delta at step 0, span -5.14 decades" in charts
    assert "delta at step 190, span +0.00 decades" in charts
    assert "closed: VANISHING" in charts
    assert "test: finished" in text
    assert "accuracy 0.5" in text
    assert max(map(len, charts[: charts.index("warnings")].splitlines())) <= 80


def test_the_summary_in_a_terminal_without_unicode_is_ascii(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    write(run, hello(), frame(0), End(reason="finished", step=0))
    headless.attach(run, Text())
    stdout.seek(0)
    text = stdout.read()
    assert text.isascii()
    assert "|####" in text


def bars(chart: str) -> list[int]:
    return [line.count("█") for line in chart.splitlines() if "┤" in line]


def test_the_chart_draws_every_layer_in_order_at_its_length() -> None:
    (chart,) = plots.charts([f"l{i}" for i in range(6)], [("t", [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0])])
    lengths = bars(chart)
    steps = {b - a for a, b in itertools.pairwise(lengths)}
    assert max(steps) - min(steps) <= 1
    assert min(lengths) > 0
    assert [line.split()[0] for line in chart.splitlines() if "┤" in line] == [f"l{i}" for i in range(6)]


def test_states_have_no_bar_but_say_what_they_are() -> None:
    (chart,) = plots.charts(["a", "b", "c", "d", "e"], [("t", [0.0, math.nan, math.inf, None, 0.1])])
    assert bars(chart)[:4] == [0, 0, 0, 0]
    assert bars(chart)[4] > 0
    assert [line.split("┤")[0].split()[1] for line in chart.splitlines() if "┤" in line] == ["0", "nan", "inf", "-", "0.1"]


def test_a_profile_that_is_all_nan_is_drawn_beside_one_that_is_not() -> None:
    before, after = plots.charts(["a", "b"], [("before", [0.1, 0.2]), ("after", [math.nan, math.nan])])
    assert bars(after) == [0, 0]
    assert before.splitlines()[-1] == after.splitlines()[-1]


def test_nothing_finite_draws_no_chart() -> None:
    assert plots.charts(["a"], [("t", [math.nan])]) == []
    assert plots.charts(["a"], [("t", [])]) == []


def test_a_thousand_layers_keep_the_first_and_the_last() -> None:
    (chart,) = plots.charts([f"l{i}" for i in range(1000)], [("t", [0.1] * 1000)])
    rows = [line.split()[0] for line in chart.splitlines() if "┤" in line]
    assert (rows[0], rows[-1], len(rows)) == ("l0", "l999", 40)
    assert "40 of 1000 layers" in chart


def test_names_are_inert_and_short() -> None:
    (chart,) = plots.charts(["\x1b[31m", "module." * 20], [("t", [0.1, 0.1])])
    assert "\x1b" not in chart
    assert max(map(len, chart.splitlines())) <= 80


DEEP_SIGMOID: dict[str, Any] = {
    "scenario": {"name": "deep", "model": "mlp", "data": "digits"},
    "toggles": [Toggle(key=key, label=key, kind="choice", value=value) for key, value in (("activation", "sigmoid"), ("init", "xavier"))],
    "layers": [Layer(name=f"hidden.{i}", kind="Linear", shape=[64, 64], parameters=4160) for i in range(LAYERS)],
}


def test_theory_stands_beside_the_first_frame_of_each_attempt_where_it_holds(run: RunDirectory, captured: Captured) -> None:
    """Seven sigmoid layers and a read-out. A frame of another step, or a network that theory does not know, gets no such line."""
    write(run, hello(**DEEP_SIGMOID), frame(0, decades=4), frame(10, decades=4), hello(**DEEP_SIGMOID), frame(0), hello(), frame(0))
    write(run, End(reason="finished", step=0))
    headless.attach(run, JsonLines())
    found = [strict(line) for line in captured.bytes.splitlines()]
    assert [event["type"] for event in found] == ["hello", "frame", "theory", "frame", "hello", "frame", "theory", "hello", "frame", "end"]
    assert found[2]["predicted_span"] == pytest.approx(-3.80, abs=0.02)
    assert found[2]["span"] == pytest.approx(-4 * 6 / 7, abs=0.01)


def test_the_summary_says_what_was_logged_after_the_last_frame(run: RunDirectory, captured: Captured) -> None:
    write(run, hello(), frame(0), End(reason="finished", step=10, logged={"loss": 0.5, "eval\x1b": 0.25}))
    headless.attach(run, Text())
    assert "logged after that: loss 0.5  eval\\x1b 0.25" in captured.text


def test_the_summary_says_measured_and_theory(run: RunDirectory, captured: Captured) -> None:
    write(run, hello(**DEEP_SIGMOID), frame(0, decades=4), frame(10, decades=4), End(reason="finished", step=10))
    headless.attach(run, Text())
    assert "delta at step 0, span -3.43 decades, theory -3.81 ± 0.05" in captured.text
    assert "delta at step 10, span -3.43 decades\n" in captured.text


def test_it_says_that_it_waits_for_a_run_that_has_not_begun(run: RunDirectory, captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    run.events.touch()
    monkeypatch.setattr("gradtui.headless.time.sleep", lambda _: write(run, hello(), frame(0), End(reason="finished", step=0)))
    _, code = headless.attach(run, JsonLines())
    assert code == 0
    assert captured.error == f"gradtui: {run.name}: nothing is recorded yet; waiting for its trainer to begin\n"
    headless.attach(run, JsonLines())
    assert captured.error.count("\n") == 1


def test_changes_are_told_in_the_text_those_that_wait_and_those_refused_as_well() -> None:
    assert summary.change(Applied(id="a", step=40, toggle="batch_norm", value="on")) == "step 40  batch_norm=on"
    waits = Applied(id="a", step=40, toggle="depth", value=4, note="in force at the next restart")
    assert summary.change(waits) == "step 40  depth=4: in force at the next restart"
    assert summary.change(Applied(id="a", step=0, toggle="lr", value=-1.0, reason="no\x1b[1m")) == r"step 0  lr=-1: refused: no\x1b[1m"


def test_a_change_is_printed_in_its_place(run: RunDirectory, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write(run, hello(), frame(0), Applied(id="a", step=10, toggle="batch_norm", value="on"), frame(10))
    headless.replay(run, Text())
    assert b"step 10  batch_norm=on\n" in capfdbinary.readouterr().out
