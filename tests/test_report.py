"""`gradtui report` and `gradtui compare`: pages in text, HTML and JSON, on whole and mutilated recordings, inert whatever these hold."""

from __future__ import annotations

import math
import re
import xml.dom.minidom
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from gradtui import cli_report, comparison_text, report_html, report_text
from gradtui.diagnose.comparison import compare
from gradtui.stream.events import End, Event, Layer, Log, Toggle, encode
from gradtui.stream.run_directory import RunDirectory
from tests.command import gradtui
from tests.diagnose.streams import applied, frame, hello, layers
from tests.diagnose.test_comparison import side
from tests.diagnose.test_postmortem import CURED, report
from tests.stream.test_events import strict

EVIL = "</svg><script>alert(1)</script>\x1b[31m\"'&\n\u202e"


def write(where: Path, *events: Event) -> RunDirectory:
    where.mkdir(exist_ok=True)
    (where / "events.jsonl").write_bytes(b"".join(map(encode, events)))
    return RunDirectory(where)


def test_the_text_tells_the_story_in_eighty_columns() -> None:
    text = report_text.text(report(CURED))
    assert max(map(len, text.splitlines())) <= 80
    story = " ".join(text.split())
    for part in (
        "r: stopped at step 339, loss 50",
        "went wrong first: VANISHING in hidden.0–hidden.1 at step 25, closed at step 125",
        "step 100 batch_norm=on: better; loss 2.3 to 0.5; closed vanishing",
        "step 300 lr=0.9: worse; loss 0.5 to 50; opened update-too-large, divergence",
        "skip=scaled: score",
        "delta at the start, step 0: span -3.00 decades",
    ):
        assert part in story


def test_a_healthy_run_is_said_to_be_healthy() -> None:
    text = report_text.text(report([hello(), *(frame(5 * i, loss=2.0) for i in range(21))]))
    assert "no warning was opened: the gradients look healthy\n" in text
    assert "seed 0, 21 frames\n" in text
    assert "too few" not in text


def test_a_watched_training_is_nowhere_called_a_scenario() -> None:
    """In text, HTML and JSON, alone and in a comparison with one of the lab's."""
    watched: list[Event] = [hello(scenario={"name": "mine", "watched": True}), frame(0)]
    lab: list[Event] = [hello(scenario={"name": "deep-sigmoid"}), frame(0)]
    found = report(watched)
    assert "own training (gradtui.watch), cpu, seed 0" in report_text.text(found)
    assert "own training (gradtui.watch), cpu, seed 0" in report_html.page(found)
    assert "scenario" not in report_text.text(found) + report_html.page(found)
    assert (found.scenario, found.watched, report(lab).scenario, report(lab).watched) == ("", True, "deep-sigmoid", False)
    both = comparison_text.text(compare(side(watched), side(lab)))
    assert "own training (gradtui.watch), cpu" in both
    assert both.count("scenario") == both.count("scenario deep-sigmoid, cpu") == 1


SHORT = [hello(), *(frame(i, -3.4) for i in range(5))]
"""A profile that falls by more than three decades, and a frame too few to warn of it."""


def test_a_run_too_short_to_judge_is_not_called_healthy() -> None:
    found = report(SHORT)
    story = " ".join(report_text.text(found).split())
    page = report_html.page(found)
    assert "no warning was opened, but 5 frames over 5 steps are too few to call the gradients healthy" in story
    assert "5 frames over 5 steps are too few for divergence (needs 6 frames), vanishing (needs 6 frames)" in story
    assert "update-too-small (needs 2 frames over 40 steps)" in story
    assert "No warning was opened, but 5 frames over 5 steps are too few to call" in page
    assert "<h2>Could not be judged</h2><p>5 frames over 5 steps are too few for divergence" in page
    assert "look healthy" not in story + page
    told = strict(encode(found))
    assert (told["frames"], told["steps"]) == (5, 5)
    assert {"code": "vanishing", "why": "too-few", "frames": 6, "steps": 1} in told["unjudged"]


def test_one_more_frame_is_enough() -> None:
    assert report([*SHORT, frame(5, -3.4)]).first is not None


def test_a_frame_without_a_profile_is_none_to_judge_profiles_by() -> None:
    """As the first of a watched loop. Catches frames counted that the rule could not read."""
    found = report([hello(), frame(0, delta_rms=[]), *(frame(1 + i, -3.4) for i in range(5))])
    assert [(one.code, one.frames) for one in found.unjudged if one.code == "vanishing"] == [("vanishing", 7)]
    assert "6 frames over 6 steps are too few for vanishing (needs 7 frames)" in " ".join(report_text.text(found).split())
    assert report([hello(), frame(0, delta_rms=[]), *(frame(1 + i, -3.4) for i in range(6))]).first is not None


def test_what_was_never_measured_is_not_called_healthy_either() -> None:
    bare: dict[str, Any] = {"delta_rms": [], "dead": [], "activation_mean": [], "activation_std": [], "saturated": []}
    text = " ".join(report_text.text(report([hello(), *(frame(5 * i, **bare) for i in range(21))])).split())
    assert "the gradients look healthy as far as they were measured" in text
    assert "what they read was never measured: vanishing, exploding, dead-units" in text
    unmeasured = bare | {"grad_norm": [], "update_ratio": []}
    nothing = report_text.text(report([hello(), *(frame(5 * i, **unmeasured) for i in range(21))]))
    assert "nothing was measured that the gradients could be judged by" in nothing
    headless = report_text.text(report([frame(5 * i) for i in range(21)]))
    assert "which layers the numbers are of is not known" in headless


def test_only_the_last_attempts_frames_count() -> None:
    text = " ".join(report_text.text(report([hello(), *(frame(5 * i) for i in range(30)), hello(), frame(0)])).split())
    assert "2 attempts, 1 frame in the last" in text
    assert "1 frame over 1 step is too few to call" in text


def test_the_steepest_profile_is_shown_only_where_it_is_steeper() -> None:
    def steps(*tilts: float) -> list[int]:
        shots = report_text.chosen(report([hello(), *(frame(5 * i, tilt) for i, tilt in enumerate(tilts))]))
        return [shot.step for _, shot in shots]

    assert steps(-3.0, -3.1, -3.0) == [0, 10]
    assert steps(-3.0, -4.0, 0.0) == [0, 5, 10]
    assert steps(1.0) == [0]


def test_the_page_is_one_file_with_charts_and_without_scripts_or_anything_from_elsewhere() -> None:
    page = report_html.page(report(CURED))
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        xml.dom.minidom.parseString(chart)
    assert page.count('class="mark"') == 2
    assert not re.search(r"<script|<link|<img|@import|url\(|src=|href=", page.replace('xmlns="http://www.w3.org/2000/svg"', ""))


def test_a_bar_is_as_long_as_its_delta_says() -> None:
    """Equal factors are equal lengths on the logarithmic axis; the mutation it catches is a linear axis."""
    page = report_html.page(report([hello(), frame(0, delta_rms=[1e-3, 1e-2, 1e-1, 1.0, 1.0])]))
    widths = [float(width) for width in re.findall(r'<rect class="start"[^>]*width="([\d.]+)"', page)]
    assert widths[1] - widths[0] == pytest.approx(widths[2] - widths[1], abs=0.2)
    assert widths[3] - widths[2] == pytest.approx(widths[2] - widths[1], abs=0.2)


class Tags(HTMLParser):
    """The elements that a browser would make of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def evil() -> list[Event]:
    rows = [Layer(name=EVIL, kind="Linear", parameters=10), *layers()[1:]]
    toggles = [
        Toggle(key="lr", label=EVIL, kind="number", value=0.1),
        Toggle(key=EVIL, label=EVIL, kind="choice", value="a", choices=[EVIL]),
    ]
    first = hello(rows, toggles=toggles, run=EVIL, scenario={"name": EVIL}, device=EVIL)
    sick: list[Event] = [*(frame(5 * i, -3.0) for i in range(10)), Log(text=EVIL), applied(50, EVIL, EVIL)]
    return [first, *sick, *(frame(50 + 5 * i) for i in range(10)), End(reason="crashed", step=95, error=EVIL)]


def test_text_from_outside_is_inert_in_text_and_html() -> None:
    found = report(evil())
    both = compare(side(evil()), side(CURED))
    page, texts = report_html.page(found), report_text.text(found) + comparison_text.text(both)
    assert "script" not in Tags(page).found
    assert Tags(page).found.count("svg") == 2
    for chart in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        xml.dom.minidom.parseString(chart)
    for text in (page, texts):
        assert all(line.isprintable() for line in text.split("\n"))
        assert "alert(1)" in text  # shown, not left out


@pytest.mark.parametrize(
    "events",
    [
        [],
        [frame(5), frame(10)],
        [hello()],
        [hello(), frame(0, loss=None, delta_rms=[], grad_norm=[])],
        [hello(), *(frame(i, loss=math.nan, delta_rms=[math.nan] * 5) for i in range(9))],
        [hello(), *(frame(i, loss=math.inf, delta_rms=[0.0] * 5, total_norm=math.inf) for i in range(9))],
        [hello(), *(frame(i, loss=-1.0) for i in range(9))],
        [hello(), frame(0), hello(layers(8)), frame(0, rows=9)],
        [hello(rows=[]), frame(0, delta_rms=[], grad_norm=[])],
    ],
    ids=["empty", "no-hello", "no-frame", "nothing-measured", "nan", "zeros", "negative", "other-layers", "no-layers"],
)
def test_mutilated_and_strange_recordings_have_pages(tmp_path: Path, events: list[Event]) -> None:
    run = write(tmp_path / "run", *events)
    assert cli_report.report(str(run.path), None, False)
    assert "</html>" in cli_report.report(str(run.path), "-", False)
    assert strict(cli_report.report(str(run.path), None, True).encode())["type"] == "report"
    assert strict(cli_report.comparison(str(run.path), str(run.path), 0.01, True).encode())["parting"] is None
    assert cli_report.comparison(str(run.path), str(run.path), 0.01, False)


def test_a_half_written_last_line_is_no_error(tmp_path: Path) -> None:
    run = write(tmp_path / "run", *CURED[:-1])
    with run.events.open("ab") as file:
        file.write(b'{"type":"frame","step":340,"tim')
    assert "r: not ended at step 335" in cli_report.report(str(run.path), None, False)


def test_on_the_command_line(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a", *CURED), write(tmp_path / "b", *CURED[:20])
    page = tmp_path / "page.html"
    written = gradtui(tmp_path, "report", first.path, "--html", page)
    assert (written.returncode, written.stdout) == (0, "")
    assert page.read_text(encoding="utf-8") == gradtui(tmp_path, "report", first.path, "--html", "-").stdout
    found = strict(gradtui(tmp_path, "report", first.path, "--json").stdout.encode())
    assert found["first"]["try"][0]["toggle"] == "batch_norm"
    compared = gradtui(tmp_path, "compare", first.path, second.path)
    assert "the losses never part: 19 steps compared" in compared.stdout
    assert gradtui(tmp_path, "compare", first.path, "nothing").returncode == 4
    assert gradtui(tmp_path, "report", first.path, "--html", "-", "--json").returncode == 2
    assert gradtui(tmp_path, "compare", first.path, second.path, "--by", "2").returncode == 2
    unwritable = gradtui(tmp_path, "report", first.path, "--html", tmp_path / "no" / "where.html")
    assert (unwritable.returncode, len(unwritable.stderr.splitlines())) == (2, 1)
    assert gradtui(tmp_path, "report", first.path, "--html", "/dev/full").stderr == "gradtui: /dev/full: No space left on device\n"
    assert gradtui(tmp_path, "report", first.path, "--html=~/mine.html", HOME=str(tmp_path)).returncode == 0
    assert (tmp_path / "mine.html").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


def test_a_recording_without_a_frame_is_not_called_healthy() -> None:
    """Catches both an empty recording and a trainer that crashed before its first step, whose end says step -1."""
    for events in ([hello()], [hello(), End(reason="crashed", step=-1, error="no such data")]):
        page = report_text.text(report(events))
        assert "and no frame was recorded" in page
        assert "nothing can be said of the gradients" in page
        assert "healthy" not in page + report_html.page(report(events))
    assert "crashed: no such data, and no frame was recorded" in page
