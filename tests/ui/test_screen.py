"""What is on the screen, at every size and for everything that a network can do."""

from __future__ import annotations

import math
import random
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len
from textual.geometry import Region

from gradtui.stream.events import Applied, End, Event, Layer, Log, Numbers
from gradtui.ui.bars import SORTED_FOR, LayerBars
from gradtui.ui.columns import Column
from gradtui.ui.lines import Lines, text_of
from tests.ui import recordings as rec
from tests.ui.screens import Process, check_golden, drawing, showing
from tests.ui.test_theory import deep_sigmoid

SIZES = [(120, 40), (80, 24), (40, 12)]


def sick_then_cured() -> list[Event]:
    """A vanishing profile, a toggle, and a flat one, as deep-sigmoid goes."""
    events: list[Event] = [rec.hello(rec.layers(9, "hidden.{}.linear"))]
    events += [rec.frame(step, rec.vanishing(9), loss=2.303) for step in range(0, 120, 6)]
    events.append(Applied(id="elsewhere", step=120, toggle="batch_norm", value="on"))
    return events + [rec.frame(step, rec.vanishing(9, 2.2), loss=2.3 * 0.9 ** (step - 120)) for step in range(120, 150, 6)]


@pytest.mark.parametrize("size", SIZES)
async def test_golden(tmp_path: Path, size: tuple[int, int]) -> None:
    async with showing(tmp_path, sick_then_cured(), size=size) as s:
        check_golden(f"{size[0]}x{size[1]}.txt", s.text())


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_golden_ascii(tmp_path: Path, size: tuple[int, int]) -> None:
    async with showing(tmp_path, sick_then_cured(), size=size, ascii=True) as s:
        check_golden(f"{size[0]}x{size[1]}-ascii.txt", s.text())


async def test_ascii_leaves_no_other_character_on_any_screen(tmp_path: Path) -> None:
    strange = [Layer(name=f"блок.{i}.слой√", kind="Linear") for i in range(60)]
    async with showing(tmp_path, [rec.hello(strange), rec.frame(0, rec.vanishing(60))], ascii=True) as s:
        for keys in ((), ("l",), ("question_mark",), ("escape", "enter"), ("escape", "slash"), ("escape", "t"), ("escape", "ctrl+p")):
            await s.press(*keys)
            assert s.text().isascii(), keys


@pytest.mark.parametrize("numbers", [0, 2, 20])
async def test_a_damaged_frame_that_does_not_fit_its_layers_ends_nothing(tmp_path: Path, numbers: int) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(5)), rec.frame(0, rec.vanishing(5)), rec.frame(1, [0.1] * numbers)]) as s:
        for keys in (("m",), ("m",), ("m",), ("enter",), ("escape",), ("l",), ("exclamation_mark",), ("escape",), ("question_mark",)):
            await s.press(*keys)
        await s.press("escape")
        await s.append(rec.frame(2, rec.vanishing(5)))
        assert "step 2/600" in s.text()


@pytest.mark.parametrize("size", SIZES)
async def test_states_are_words(tmp_path: Path, size: tuple[int, int]) -> None:
    layers = [*rec.layers(5), Layer(name="frozen", kind="Linear", frozen=True)]
    events: list[Event] = [rec.hello(layers), rec.frame(0, [math.nan, math.inf, 0.0, None, 1e-3, None])]
    async with showing(tmp_path, events, size=size) as s:
        top = 2 if size[0] > 40 else 3
        rows = {line[2:10]: line for line in s.text().splitlines()[top : top + 6]}
        assert "nan" in rows["hidden.0"]
        assert "█" not in rows["hidden.0"]
        assert "inf" in rows["hidden.1"]
        assert " 0, exactly" in rows["hidden.2"]
        assert " – " in rows["hidden.3"]
        if size != (40, 12):
            assert rows["frozen  "].startswith("f ")
            assert "– frozen" in rows["frozen  "]


async def test_wide_characters_leave_the_columns_where_they_are(tmp_path: Path) -> None:
    names = ["模型.编码器.层0.自注意力.线性", "🚀rocket", "plain"]
    layers = [Layer(name=name, kind="Linear") for name in names]
    async with showing(tmp_path, [rec.hello(layers), rec.frame(0, [1e-3] * 3)], size=(80, 24)) as s:
        first, rocket, plain = s.text().splitlines()[2:5]
        assert first.startswith("  模.编.层.自.线性 ")
        assert len({cell_len(line.partition("█")[0]) for line in (first, rocket, plain)}) == 1


async def test_every_layer_has_its_row_in_network_order_with_a_longer_bar_for_more(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]) as s:
        lines = [line for line in s.text().splitlines() if "hidden." in line[:12]][:8]
        assert [line[2:10] for line in lines] == [f"hidden.{i}" for i in range(8)]
        lengths = [line.count("█") for line in lines]
        assert lengths == sorted(lengths)
        assert len(set(lengths)) == 8


async def test_the_ghost_stands_where_the_bar_was_before_the_toggle(tmp_path: Path) -> None:
    events: list[Event] = [
        rec.hello(rec.layers(3)),
        rec.frame(0, [1e-6, 1e-4, 1e-2]),
        Applied(id="x", step=6, toggle="batch_norm", value="on"),
    ]
    async with showing(tmp_path, events) as s:
        before = next(line for line in s.text().splitlines() if "hidden.0" in line[:12])
        await s.append(rec.frame(6, [1e-2, 1e-2, 1e-2]))
        after = next(line for line in s.text().splitlines() if "hidden.0" in line[:12])
        bar = before.rindex("│")
        assert after[bar] == "│"
        assert after[bar - 2] == after[bar + 2] == "█"


async def test_the_axis_does_not_move_until_a_value_leaves_it(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(3)), rec.frame(0, [1e-3, 1e-3, 1e-3])]) as s:
        axis = s.text().splitlines()[1][:70]
        await s.append(rec.frame(6, [1e-8, 1e-5, 1.0]))
        assert s.text().splitlines()[1][:70] == axis
        await s.append(rec.frame(12, [1e-14, 1e-5, 1.0]))
        assert "1e-14" in s.text().splitlines()[1]
        await s.append(rec.frame(18, [1e-3, 1e-3, 1e-3]))
        assert "1e-14" in s.text().splitlines()[1]


async def test_the_bars_show_other_measures_on_a_key(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(9)), rec.frame(0, rec.vanishing(9))]) as s:
        seen = [s.text().splitlines()[1]]
        for title in ("weight", "update", "activations", "delta"):
            await s.press("m")
            seen.append(s.text().splitlines()[1])
            assert title[:6] in seen[-1]
        assert seen[0] == seen[-1]
        await s.press("M")
        assert s.text().splitlines()[1] == seen[3]
        assert "2%" in s.text().splitlines()[2]  # saturated


async def test_groups_have_headers(tmp_path: Path) -> None:
    layers = [msgspec.structs.replace(layer, group=group) for group in ("critic", "generator") for layer in rec.layers(3)]
    async with showing(tmp_path, [rec.hello(layers), rec.frame(0, [1e-2] * 6)]) as s:
        names = [line[:10].strip() for line in s.text().splitlines()[2:10]]
        assert names == ["critic", "hidden.0", "hidden.1", "readout", "generator", "hidden.0", "hidden.1", "readout"]
        await s.press("slash", *"generator", "enter")
        assert [line[:10].strip() for line in s.text().splitlines()[2:7]] == ["generator", "hidden.0", "hidden.1", "readout", ""]
        await s.press("down", "enter")
        assert "generator hidden.0" in s.text()


async def test_only_the_network_in_trouble_is_flagged(tmp_path: Path) -> None:
    layers = [
        msgspec.structs.replace(layer, group=group) for group, count in (("critic", 9), ("generator", 12)) for layer in rec.layers(count)
    ]
    frames = [rec.frame(step, [*[1e-2] * 9, *rec.vanishing(12, 6)]) for step in range(0, 120, 6)]
    async with showing(tmp_path, [rec.hello(layers), *frames]) as s:
        lines = s.text().splitlines()
        assert [line[0] for line in lines[3:5]] == [" ", " "]
        assert [line[0] for line in lines[13:15]] == ["X", "X"]
        await s.resize(80, 24)
        await s.press("G")
        assert s.text().splitlines()[1].startswith("generator delta")


async def test_theory_is_a_line_over_the_bars_of_delta_and_fades(tmp_path: Path) -> None:
    events: list[Event] = [deep_sigmoid(), rec.frame(0, rec.vanishing(9, 3))]
    async with showing(tmp_path, events) as s:

        def style() -> set[str]:
            bars = s.screen.query_one(LayerBars)
            return {style for y in range(8) for column in bars.query(Column) for text, style in column.row(y) if text == "┊"}

        marks = [line.find("┊") for line in s.text().splitlines()[2:11]]
        assert marks == [*sorted(marks[:8]), -1]
        decade = (s.text().splitlines()[1].index("│1e-1") - s.text().splitlines()[1].index("│1e-9")) / 8
        assert abs(marks[7] - marks[0] - 4.44 * decade) <= 1
        assert "theory -4.44" in s.text()
        assert style() == {"theory"}
        await s.append(rec.frame(11, [1e-2] * 9))
        assert style() == {"faded"}
        assert [line.find("┊") for line in s.text().splitlines()[2:11]] == marks
        await s.press("enter")
        assert "by theory" in s.text()
        await s.press("escape", "m")
        assert "┊" not in s.text()


async def test_the_band_of_finite_width_is_shaded_over_and_beyond_the_bars_and_fades(tmp_path: Path) -> None:
    """A deep ReLU network begins within it, 19 times in 20, as here. Legible in ASCII without colour."""
    hello = deep_sigmoid(20)
    toggles = [msgspec.structs.replace(t, value="relu" if t.key == "activation" else "he") for t in hello.toggles]
    events: list[Event] = [msgspec.structs.replace(hello, toggles=toggles), rec.frame(0, rec.vanishing(21, 0.1))]
    async with showing(tmp_path, events, size=(80, 24)) as s:

        def styles() -> set[str]:
            bars = s.screen.query_one(LayerBars)
            found = {(text[:1], style) for y in range(20) for column in bars.query(Column) for text, style in column.row(y)}
            return {style for cell, style in found if cell in "▒·"}

        check_golden("80x24-band.txt", s.text())
        assert styles() == {"band"}
        await s.append(rec.frame(11, rec.vanishing(21, 0.5)))
        assert styles() == {"faded"}
        await s.press("m")
        assert "▒" not in s.text()
    async with showing(tmp_path / "ascii", events, size=(80, 24), ascii=True) as s:
        check_golden("80x24-band-ascii.txt", s.text())


async def test_a_guides_remark_stands_until_the_next_one_is_due_or_the_run_begins_anew(tmp_path: Path) -> None:
    remarks = ((0, "Look at the \x1b[2Jbars: " + "they fall " * 20), (100, "Now they stand level."))
    async with showing(tmp_path, [rec.hello(rec.layers(9)), rec.frame(0, [0.1] * 9)], size=(80, 24), remarks=remarks) as s:
        assert "Look at the \\x1b[2Jbars: they fall" in s.text()
        assert "total gradient" in s.text()
        await s.append(rec.frame(100, [0.1] * 9))
        assert "they fall" not in s.text()
        assert "Now they stand level." in s.text()
        await s.append(rec.hello(rec.layers(9), attempt=1), rec.frame(0, [0.1] * 9))
        assert "Look at" not in s.text()
        assert "total gradient" in s.text()


async def test_names_and_prints_are_inert(tmp_path: Path) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07[bold]x[/bold][/]"
    layers = [Layer(name=evil, kind=evil), Layer(name="b", kind="Linear")]
    toggle = msgspec.structs.replace(rec.TOGGLES[0], label=evil, applies=False, reason=evil)
    events: list[Event] = [
        rec.hello(layers, toggles=[toggle]),
        rec.frame(0, [1e-2, 1e-2]),
        Log(text=evil),
        End(reason="crashed", step=0, error=evil),
    ]
    async with showing(tmp_path, events) as s:
        for keys in ((), ("l",), ("c",), ("question_mark",), ("escape", "enter"), ("escape", "ctrl+p")):
            await s.press(*keys)
            text = s.text()
            assert "\x1b" not in text
            assert "\x07" not in text
            if not keys:
                assert "[bold]x" in text


async def test_a_thousand_layers_draw_only_what_is_in_view(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(1000)), rec.frame(0, rec.wobbling(1000, 0))]) as s:
        with drawing() as drawn:
            await s.append(rec.frame(1, rec.wobbling(1000, 1)))
            assert 20 < len(drawn) < 45
            drawn.clear()
            await s.press("G")
            await s.append(rec.frame(2, rec.wobbling(1000, 2)))
            assert "readout" in s.text()
            assert max(drawn) == 999
            assert len(drawn) < 90


async def test_only_what_changed_is_repainted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = rec.vanishing(9)
    async with showing(tmp_path, [rec.hello(rec.layers(9)), rec.frame(0, values)]) as s:
        painted: set[tuple[Lines, Region]] = set()  # a look more, and what is not really repainted is asked for once more

        def watch(widget: Lines, *regions: Region, **options: bool) -> Lines:
            painted.update((widget, region) for region in regions or (widget.size.region,))
            return widget

        monkeypatch.setattr(Lines, "refresh", watch)
        await s.append(rec.frame(1, values))
        assert [region for widget, region in painted if isinstance(widget, Column)] == []
        painted.clear()
        values = [*values[:4], 3e-3, *values[5:]]
        await s.append(rec.frame(2, values))
        columns = [region for widget, region in painted if isinstance(widget, Column)]
        assert {region.y for region in columns} == {4}
        assert 2 <= len(columns) <= 3
        assert sum(region.area for region in columns) < 40


async def test_nothing_is_repainted_while_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with showing(tmp_path, sick_then_cured()) as s:
        painted: list[object] = []
        monkeypatch.setattr(Lines, "refresh", lambda widget, *regions, **options: painted.append((widget, regions)))
        for _ in range(30):
            s.screen.look()
        assert painted == []


async def test_a_size_that_changes_under_a_dialog_and_the_cursors_layer_are_kept(tmp_path: Path) -> None:
    events: list[Event] = [rec.hello(rec.layers(21)), *(rec.frame(step, rec.vanishing(21)) for step in range(0, 60, 6))]
    async with showing(tmp_path, events, size=(80, 24)) as s:
        bars = s.screen.query_one(LayerBars)
        await s.press(*["down"] * 3, "question_mark")
        await s.resize(40, 12)
        await s.press("escape")
        lines = s.text().splitlines()
        assert sum("hidden." in line[:12] for line in lines) == 5
        assert "" not in lines[:-1]
        assert bars.current == 3
        await s.resize(120, 40)
        assert bars.current == 3


async def test_where_the_worst_come_first_the_cursor_stays_on_the_layer_it_was_moved_to(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(5)), rec.frame(0, [1e-4, 1e-3, 1e-2, 1e-1, 1.0])]) as s:
        bars = s.screen.query_one(LayerBars)
        await s.press("B", "down")
        assert bars.current == 1
        for step in range(1, SORTED_FOR + 1):
            await s.append(rec.frame(step, [1e-4, 1e-1, 1e-2, 1e-3, 1.0]))
        assert bars.current == 1
        assert "hidden.1" in s.text().splitlines()[5][:12]


async def test_any_size_and_any_change_of_size_is_survived(tmp_path: Path) -> None:
    sizes = random.Random(0)
    async with showing(tmp_path, sick_then_cured()) as s:
        for _ in range(15):
            await s.pilot.resize_terminal(sizes.randint(1, 200), sizes.randint(1, 60))
        for size in [(1, 1), (20, 5), (300, 2), (80, 24)]:
            await s.pilot.resize_terminal(*size)
        await s.settle()
        lines = s.text().splitlines()
        assert len(lines) == 24
        assert max(len(line) for line in lines) <= 80
        check_golden("80x24.txt", s.text())


async def test_few_rows_show_the_layers_in_trouble(tmp_path: Path) -> None:
    values: Numbers = [*[1e-2] * 19, math.nan, *[1e-2] * 10]
    async with showing(tmp_path, [rec.hello(rec.layers(30)), rec.frame(0, values)], size=(40, 12)) as s:
        assert "X hidden.19" in s.text()
        assert "nan" in s.text()


async def test_a_crash_is_told_and_everything_is_kept(tmp_path: Path) -> None:
    process = Process()
    async with showing(tmp_path, sick_then_cured(), process=process) as s:
        bars = s.text().splitlines()[2:11]
        process.returncode = -9
        s.screen.looks = 0  # so that it is no number's turn
        s.screen.look()
        assert "CRASHED" in text_of(s.screen.query_one("#status", Lines).row(0))
        await s.settle()
        assert "CRASHED" in s.text().splitlines()[0]
        assert "SIGKILL" in s.text()
        assert [line[:70] for line in s.text().splitlines()[2:11]] == [line[:70] for line in bars]


async def test_the_log_pane_shows_what_the_trainer_printed(tmp_path: Path) -> None:
    events = [*sick_then_cured(), Log(text="only in the recording")]
    async with showing(tmp_path, events) as s:
        assert "only in the recording" not in s.text()
        await s.press("l")
        assert "only in the recording" in s.text()
        s.run.trainer_log.write_bytes(b"from \xff the file\nhalf a li")
        await s.press("l", "l")
        assert "from \N{REPLACEMENT CHARACTER} the file" in s.text()
        assert "half a li" not in s.text()


async def test_the_log_has_its_lines_whole_and_the_keys_that_scroll(tmp_path: Path) -> None:
    async with showing(tmp_path, sick_then_cured(), size=(80, 24)) as s:
        s.run.trainer_log.write_text("the first line\n" + "\n" * 40 + f"RuntimeError: {'模型 ' * 30}the end\n")
        await s.press("l")
        text = s.text()
        assert text.count("模") == 30
        assert "the end" in "".join(text.splitlines())
        await s.press("home")
        assert "the first line" in s.text()
        assert s.screen.query_one(LayerBars).current == 0
        await s.press("l", "down")
        assert s.screen.query_one(LayerBars).current == 1


async def test_the_smallest_screen_has_rows_for_the_log_too(tmp_path: Path) -> None:
    """The key did nothing there but take the arrows away from the bars."""
    async with showing(tmp_path, sick_then_cured(), size=(40, 12)) as s:
        before = s.text()
        s.run.trainer_log.write_text("printed\n")
        await s.press("l")
        assert "printed" in s.text()
        await s.press("l")
        assert s.text() == before


async def test_where_no_layer_is_part_of_a_module_the_key_for_blocks_says_so(tmp_path: Path) -> None:
    flat = [Layer(name=str(i), kind="Linear") for i in range(0, 6, 2)]
    async with showing(tmp_path, [rec.hello(flat), rec.frame(0, [1e-3] * 3)]) as s:
        await s.press("b")
        assert "nothing to fold" in s.text()
        assert s.screen.query_one(LayerBars).asked.opened is None


async def test_no_colour_is_needed_to_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with showing(
        tmp_path, [rec.hello(rec.layers(9)), *(rec.frame(s, rec.vanishing(9)) for s in range(0, 120, 6))], size=(80, 24)
    ) as s:
        strips = s.app.screen._compositor.render_strips()
        colours = {c for strip in strips for segment in strip if segment.style for c in (segment.style.color, segment.style.bgcolor) if c}
        assert all(len(set(c.get_truecolor())) == 1 for c in colours)
        assert "X  VANISHING" in s.text()
        assert "X hidden.0" in s.text()


async def test_rows_of_text_are_cut_at_the_edge_by_cells(tmp_path: Path) -> None:
    async with showing(tmp_path, sick_then_cured()) as s:
        summary = s.screen.query_one("#summary", Lines)
        summary.put([(("層" * 100, ""),)])
        assert summary.render_line(0).cell_length == summary.size.width
        assert text_of(summary.row(0)) == "層" * 100
        assert all(column.render_line(0).cell_length == column.size.width for column in s.screen.query(Column))


async def test_what_was_answered_before_a_viewer_came_is_not_told_as_news(tmp_path: Path) -> None:
    answer = Applied(id="", toggle="batch_norm", value="on", step=1, note="running statistics start afresh")
    events: list[Event] = [rec.hello(rec.layers(3)), rec.frame(0, [0.1] * 3), answer, rec.frame(1, [0.1] * 3)]
    async with showing(tmp_path, events) as s:
        assert "start afresh" not in s.text()
        await s.append(answer)
        assert "start afresh" in s.text()


async def test_a_log_without_a_line_says_so_and_then_shows_the_first(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(3)), rec.frame(0, [0.1] * 3)]) as s:
        await s.press("l")
        assert "nothing that was printed" in s.text()
        s.run.trainer_log.write_text("a first line\n")
        await s.press("l", "l")
        assert "a first line" in s.text()
        assert "nothing that was printed" not in s.text()
