"""Which rows a large model has: folded into blocks, opened, filtered, the worst first."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gradtui.stream.events import Event, Layer, Numbers
from gradtui.ui import rows
from gradtui.ui.arrange import Arrangement, Entry, Trouble, opened_to_fit, trouble
from gradtui.ui.bars import LayerBars
from gradtui.ui.scale import Axis
from tests.ui import recordings as rec
from tests.ui.screens import check_golden, drawing, showing

PARTS = ("ln_1", "attn.q", "attn.k", "attn.v", "attn.out", "ln_2", "mlp.up", "mlp.down")


def transformer(blocks: int) -> list[Layer]:
    """Eight rows a block, an embedding before and a read-out behind."""
    names = ["model.embed", *(f"model.h.{block}.{part}" for block in range(blocks) for part in PARTS), "lm_head"]
    return [Layer(name=name, kind="Linear", shape=[8, 8], parameters=64) for name in names]


def network_order(index: int) -> Trouble:
    return trouble("", float(index + 1))


def labels(rows: list[Entry]) -> list[str]:
    return [row.label for row in rows]


def test_the_worst_come_first_by_warning_then_what_is_no_number_then_the_smallest() -> None:
    cases = [("critical", 1.0), ("warning", math.nan), ("", math.nan), ("", math.inf), ("", 0.0), ("", 1e-9), ("", 1e-3), ("", None)]
    mixed = cases[::-1]
    assert sorted(mixed, key=lambda case: trouble(*case)) == cases


def test_layers_of_one_module_fold_into_one_row_and_open_level_by_level() -> None:
    asked = Arrangement()
    layers = transformer(3)
    asked.fold(layers, 2)
    assert labels(asked.entries(layers, 40, 2, network_order)) == ["▸ model 25", "lm_head"]
    asked.open(("model",))
    assert labels(asked.entries(layers, 40, 2, network_order)) == ["▾ model 25", "  embed", "  ▸ h 24", "lm_head"]
    asked.open(("model", "h"))
    asked.open(("model", "h", "1"))
    found = asked.entries(layers, 40, 2, network_order)
    assert labels(found)[3:9] == ["    ▸ 0 8", "    ▾ 1 8", "      ln_1", "      ▸ attn 4", "      ln_2", "      ▸ mlp 2"]
    assert found[4].members == tuple(range(9, 17))
    asked.open(("model",))
    assert labels(asked.entries(layers, 40, 2, network_order)) == ["▸ model 25", "lm_head"]
    asked.fold(layers, 2)
    assert len(asked.entries(layers, 40, 2, network_order)) == 26


def test_as_many_levels_are_open_as_fit() -> None:
    layers = transformer(12)
    assert opened_to_fit(layers, range(98), 3) == frozenset()
    assert opened_to_fit(layers, range(98), 16) == {("model",), ("model", "h")}
    assert len(opened_to_fit(layers, range(98), 1000)) == 2 + 12 + 24


def test_modules_that_own_parameters_beside_their_parts_share_names_or_stand_alone_are_rows() -> None:
    names = ["attn", "attn.out", "same", "same", "a.b", "a.b"]
    layers = [Layer(name=name, kind="Linear") for name in names]
    asked = Arrangement(opened=frozenset({("attn",), ("same",), ("a", "b")}))
    found = asked.entries(layers, 40, 9, network_order)
    assert labels(found) == ["▾ attn 2", "  attn", "  out", "▾ same 2", "  same", "  same", "▾ a.b 2", "  b", "  b"]
    assert [row.layer for row in found] == [None, 0, 1, None, 2, 3, None, 4, 5]


def test_a_filter_and_an_order_apply_to_blocks_as_to_layers() -> None:
    layers = transformer(3)
    values = {i: float(i + 1) for i in range(26)} | {11: 1e-9}  # h.1.attn.k

    def worst(index: int) -> Trouble:
        return trouble("", values[index])

    asked = Arrangement(filter="ATTN", worst_first=True)
    assert [row.layer for row in asked.entries(layers, 40, 9, worst)][:3] == [11, 2, 3]
    asked.opened = frozenset()
    found = asked.entries(layers, 40, 9, worst)
    assert labels(found) == ["▸ model.h.1.attn 4", "▸ model.h.0.attn 4", "▸ model.h.2.attn 4"]


def test_a_block_is_its_median_with_the_range_shaded_and_no_median_hides_what_is_no_number() -> None:
    axis = Axis(-4, 0)
    text, codes = rows.block([1e-3, 1e-2, 1e-1, None], axis, 40, hot=False)
    assert text == "█" * 10 + "▒" * 10 + "·" * 11 + " " * 9
    assert "s" in codes
    assert rows.block([1e-3, math.nan, 1e-1], axis, 40, hot=False)[0].endswith("nan ")
    assert "not measured" not in rows.block([None, None], axis, 40, hot=False)[0]
    assert rows.block([None, None], axis, 40, hot=False)[0].strip() == "–"


def large() -> list[Event]:
    """A thousand layers, the deltas of one block of which lie low."""
    layers = transformer(125)
    values: Numbers = [1e-3 * (1 + 0.1 * math.sin(i)) for i in range(len(layers))]
    values[417:425] = [1e-8] * 8
    return [rec.hello(layers), rec.frame(0, values)]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_golden_of_a_thousand_layers(tmp_path: Path, size: tuple[int, int]) -> None:
    async with showing(tmp_path, large(), size=size) as s:
        await s.press("b", "B", "enter", "enter", "down", "enter", "down", "enter")
        check_golden(f"blocks-{size[0]}x{size[1]}.txt", s.text())


async def test_the_keys_fold_order_open_and_show_a_layer(tmp_path: Path) -> None:
    async with showing(tmp_path, large()) as s:

        def names() -> list[str]:
            return [line[2:20].rstrip() for line in s.text().splitlines()[2:6]]

        await s.press("B")
        assert names()[0].split()[0] == "model.h.52.ln_1"
        assert "worst delta" in s.text().splitlines()[1]
        await s.press("b")
        assert names()[:2] == ["▾ model 1001", "  ▸ h 1000"]
        await s.press("down", "enter")
        assert names()[:3] == ["▾ model 1001", "  ▾ h 1000", "    ▸ 52 8"]
        await s.press("down", "enter", "down", "enter")
        assert "model.h.52.ln_1" in s.text()
        await s.press("escape", "b", "B")
        assert names()[0] == "model.embed"


async def test_the_rows_swap_when_a_warning_comes_and_else_only_now_and_then(tmp_path: Path) -> None:
    async with showing(tmp_path, [rec.hello(rec.layers(9)), rec.frame(0, [*[1e-2] * 8, 1e-3])]) as s:
        bars = s.screen.query_one(LayerBars)
        await s.press("B")
        assert s.text().splitlines()[2].startswith("  readout")
        values: Numbers = [1e-2, 1e-4, *[1e-2] * 7]
        bars.show(rec.frame(1, values), None, {})
        bars.repaint(figures=True)
        await s.settle()
        assert s.text().splitlines()[2].startswith("  readout")
        bars.show(rec.frame(1, values), None, {"hidden.5": "warning"})
        bars.repaint(figures=True)
        await s.settle()
        assert s.text().splitlines()[2].startswith("! hidden.5")
        assert s.text().splitlines()[3].startswith("  hidden.1")


async def test_a_thousand_layers_draw_only_the_rows_in_view(tmp_path: Path) -> None:
    async with showing(tmp_path, large()) as s:
        await s.press("b", "down", "down", "enter")
        with drawing() as drawn:
            await s.append(rec.frame(1, rec.wobbling(1002, 1)))
            assert 20 < len(drawn) < 45
