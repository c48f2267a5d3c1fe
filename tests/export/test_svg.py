"""The pictures: whole, plain and inert."""

from __future__ import annotations

import xml.dom.minidom
from pathlib import Path

from gradtui.export import svg
from gradtui.stream.events import Event
from tests.diagnose.streams import applied, frame, hello
from tests.test_report import evil


def test_pictures_are_whole_and_plain(tmp_path: Path) -> None:
    sick: list[Event] = [hello(), *(frame(5 * i, -3.0) for i in range(10)), applied(50, "batch_norm", "on")]
    files = svg.export([*sick, *(frame(50 + 5 * i, 0.0, loss=1.0) for i in range(10))], tmp_path / "new")
    assert [file.name for file in files] == ["profile.svg", "loss.svg", "total_norm.svg"]
    drawn = {file.stem: file.read_text(encoding="utf-8") for file in files}
    for text in drawn.values():
        xml.dom.minidom.parseString(text)
        assert "var(" not in text
        assert "href" not in text
    assert (
        drawn["profile"].count('<rect class="start"') == drawn["profile"].count('<rect class="end"') == 1 + 5
    )  # the key, and a bar a layer
    assert drawn["loss"].count('class="mark"') == 1


def test_pictures_are_inert(tmp_path: Path) -> None:
    for file in svg.export(evil(), tmp_path):
        text = file.read_text(encoding="utf-8")
        assert not xml.dom.minidom.parseString(text).getElementsByTagName("script")
        assert all(line.isprintable() for line in text.split("\n"))
