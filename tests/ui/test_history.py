import math
from pathlib import Path

import msgspec

from gradtui.diagnose.history import Point
from gradtui.stream.events import Event
from gradtui.ui import history
from gradtui.ui.lines import text_of
from gradtui.ui.scale import Axis
from tests.ui import recordings as rec
from tests.ui.screens import showing

AXIS = Axis(-2, 1)


def test_the_right_end_is_a_round_number_that_stays() -> None:
    assert [history.last_step([Point(step, 1.0)]) for step in (0, 10, 11, 60, 501, 1000)] == [10, 10, 20, 100, 1000, 1000]


def test_a_spike_survives_the_thinning() -> None:
    points = [Point(step, 9.9 if step == 537 else 0.1) for step in range(1000)]
    kept = history.thinned(points, 40, 1000)
    assert len(kept) <= 80
    assert Point(537, 9.9) in kept


def test_the_curve_runs_from_the_upper_left_to_the_lower_right() -> None:
    points = [Point(step, 10 ** (1 - 3 * step / 100)) for step in range(101)]
    lines = history.draw(points, AXIS, [], 40, 10, "*")
    assert lines[0].startswith(" 1e1┤*")
    assert lines[8].rstrip().endswith("*")
    assert "0" in lines[9]
    assert "100" in lines[9]
    assert all(len(line) == 40 for line in lines)


def test_a_toggle_is_a_line_over_the_whole_height() -> None:
    lines = history.draw([Point(0, 0.1), Point(100, 0.1)], AXIS, [50], 40, 8, "*")
    column = lines[0].rindex("│")
    assert 15 < column < 30
    assert sum(line[column] == "│" for line in lines[:7]) >= 6


def test_one_point_is_enough_and_none_is_drawn_for_a_mark_of_the_future() -> None:
    lines = history.draw([Point(0, 0.1)], AXIS, [5000], 30, 6, "*")
    assert sum(line.count("*") for line in lines) == 1


async def test_a_curve_that_has_no_place_on_its_axis_is_not_silently_missing(tmp_path: Path) -> None:
    events: list[Event] = [rec.hello(rec.layers(3)), rec.frame(0, [0.1] * 3, loss=-2.5)]
    async with showing(tmp_path, events) as s:
        assert "loss -2.5" in s.text()
        assert "nothing above zero" in s.text()


async def test_an_axis_begins_with_the_first_point_however_long_the_chart_was_empty(tmp_path: Path) -> None:
    hello, frame = rec.hello(rec.layers(3)), rec.frame(0, [0.1] * 3, loss=2e-4, total_norm=3e-3)
    charts = []
    for place, measured in (("late", False), ("early", True)):
        events: list[Event] = [hello, frame] if measured else [hello]
        async with showing(tmp_path / place, events) as s:
            s.screen.show_all()
            rec.append(s.run, [] if measured else [frame])
            await s.settle()
            charts.append(s.text().splitlines()[-24:-1])
    assert charts[0] == charts[1]
    assert not any("1e1┤" in line for line in charts[0])


async def test_where_the_charts_are_narrow_it_is_said_on_several_lines(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(9)), rec.frame(0, [0.1] * 9, loss=-2.5, total_norm=0.0)], size=(80, 24)) as s:
        text = " ".join(line[:40] for line in s.text().splitlines())
        assert "nothing above zero that a logarithmic axis could show" in " ".join(text.split())


def test_the_heading_says_since_when_it_is_not_finite() -> None:
    points = [Point(0, 2.3), Point(1, math.inf), Point(2, math.nan)]
    assert history.heading(points) == "nan  not finite since step 1"
    assert history.heading(points, 20) == "nan  since step 1"
    assert history.heading(points, 3) == "nan"
    assert history.heading(points[:1]) == "2.3"
    assert history.heading([]) == ""


async def test_the_value_over_a_curve_is_as_new_as_the_status_line(tmp_path: Path) -> None:
    """Curves are drawn less often than numbers, and between them: the same loss stood there twice with two values."""

    def shown(panel: history.HistoryPanel) -> str:
        return "\n".join(text_of(panel.row(y)) for y in range(panel.size.height))

    events: list[Event] = [rec.hello(rec.layers(3)), rec.frame(0, [0.1] * 3, loss=2.5)]
    for size in ((120, 40), (80, 24)):
        async with showing(tmp_path / str(size[0]), events, size=size) as s:
            rec.append(s.run, [rec.frame(1, [0.1] * 3, loss=1.75, total_norm=0.25)])
            s.screen.feed.poll()
            panel, seen = s.screen.query_one(history.HistoryPanel), s.screen.feed.state.history
            panel.show(seen)
            assert [value in shown(panel) for value in ("loss 2.5 ", "total gradient 0.13 ")] == [True, True]
            s.screen.show_texts()
            assert [value in shown(panel) for value in ("loss 1.75 ", "total gradient 0.25 ")] == [True, True]


async def test_a_metric_of_that_name_is_not_taken_for_the_total_gradient(tmp_path: Path) -> None:
    """The WGAN's critic has a `gradient norm` of its own, and it is another number."""
    frame = msgspec.structs.replace(rec.frame(0, [0.1] * 3, total_norm=0.25), metrics={"gradient_norm": 3.1e-12})
    async with showing(tmp_path, [rec.hello(rec.layers(3)), frame]) as s:
        text = s.text()
        assert text.count("gradient norm 3.1e-12") == text.count("gradient norm") == 1
        assert text.count("total gradient 0.25") == 2
