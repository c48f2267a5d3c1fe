import re

import msgspec
import pytest

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Evidence, Try, Warning
from gradtui.stream.events import End
from gradtui.ui import warnings
from gradtui.ui.life import Life
from gradtui.ui.lines import text_of
from tests.ui import recordings as rec


def warning(code: str = "vanishing", severity: str = "warning", sentence: str = "falls 4.4 decades", layer: str = "hidden.0") -> Warning:
    return Warning(
        code=code, state="opened", step=20, severity=severity, layers=[layer], evidence=Evidence(brief=sentence[:30], sentence=sentence),
        try_=[Try(toggle="batch_norm", value="on", why="it helped")],
    )  # fmt: skip


def run(*open: Warning) -> RunState:
    state = RunState()
    state.apply(rec.hello(rec.layers(9)))
    state.apply(rec.frame(0, [0.1] * 9))
    state.open = {w.code: w for w in open}
    return state


def shown(state: RunState, width: int = 80, height: int = 6, life: str = "RUN", detail: str = "") -> list[str]:
    return [text_of(row) for row in warnings.rows(state, Life(life, detail), width, height)]


def test_letter_and_word_come_first_then_layer_evidence_and_key() -> None:
    assert shown(run(warning())) == ["!  VANISHING step 20, hidden.0: falls 4.4 decades. Press F for batch norm = on."]


def test_where_nothing_can_be_changed_it_names_the_toggle_and_no_key() -> None:
    (row,) = warnings.rows(run(warning()), Life("PAUSED"), 110, 6, changeable=False)
    assert text_of(row) == "!  VANISHING step 20, hidden.0: falls 4.4 decades. batch norm = on would have been the one to try."


def test_steps_have_separators_as_everywhere_on_the_screen() -> None:
    """A rule's own sentence has none: scripts read it too."""
    told = warning(sentence="it fell since step 12345678, in 5000 steps", layer="")
    (line,) = shown(run(msgspec.structs.replace(told, step=20000)), width=120)
    assert line.startswith("!  VANISHING step 20,000: it fell since step 12,345,678, in 5000 steps.")
    (line,) = shown(run(msgspec.structs.replace(told, step=12345678)), width=120)
    assert line.startswith("!  VANISHING it fell since step 12,345,678,")


@pytest.mark.parametrize("height", [1, 6])
def test_the_step_of_its_numbers_is_said_however_short_and_said_once(height: int) -> None:
    """They are the edge's, in a present tense, beside bars that have gone on."""
    state = run(warning(sentence="a great many words of evidence " * 4))
    state.apply(rec.frame(500, [0.1] * 9))
    assert re.match("!  VANISHING step 20[:,] ", shown(state, height=height)[0])
    (line,) = shown(run(warning(sentence="the loss is 97% of a constant guess's at step 20", layer="")), width=120)
    assert line.startswith("!  VANISHING the loss is 97% of a constant guess's at step 20. Press")
    (line,) = shown(run(warning(sentence="it was so at step 200", layer="")), width=120)
    assert line.startswith("!  VANISHING step 20: it was so at step 200.")


def test_the_most_severe_comes_first_and_every_warning_has_a_line() -> None:
    state = run(warning(), warning("dead-units", "information"), warning("exploding", "critical", sentence="long " * 60))
    lines = shown(state, height=3)
    assert [line[:5] for line in lines] == ["X  EX", "!  VA", "i  DE"]


def test_what_was_measured_comes_before_what_can_no_longer_be_done() -> None:
    state = run(warning(sentence="it falls by 4.4 decades, measured and told at length"))
    (line,) = (text_of(row) for row in warnings.rows(state, Life("DONE"), 60, 1, changeable=False))
    assert line == "!  VANISHING step 20: it falls by 4.4 decades, measu."
    (line,) = (text_of(row) for row in warnings.rows(state, Life("RUN"), 60, 1))
    assert line.endswith("Press F for batch norm = on.")


def test_what_is_too_long_keeps_the_advice() -> None:
    (line,) = shown(run(warning(sentence="a great many words of evidence " * 4)), height=1)
    assert line.endswith("Press F for batch norm = on.")
    assert len(line) <= 80


@pytest.mark.parametrize("height", [1, 2, 3, 5])
def test_the_panel_never_outgrows_its_room(height: int) -> None:
    lines = shown(run(warning(sentence="w " * 200), warning("exploding", "critical", sentence="v " * 200)), 40, height)
    assert len(lines) <= height
    assert all(len(line) <= 40 for line in lines)


def test_a_crash_is_said_before_all_warnings_with_what_to_do() -> None:
    state = run(warning())
    state.apply(End(reason="crashed", step=3, error="RuntimeError: out of memory"))
    first = shown(state, life="CRASHED", detail="RuntimeError: out of memory")[0]
    assert first.startswith("X  CRASHED RuntimeError: out of memory. r starts it again")


def test_how_many_found_no_line_and_the_key_that_shows_them_is_said() -> None:
    codes = ("vanishing", "saturated", "dead-units", "plateau", "exploding")
    lines = shown(run(*map(warning, codes)), height=3)
    assert [line[:5] for line in lines[:2]] == ["!  EX", "!  DE"]
    assert lines[2] == "   +3 more: !"
    assert shown(run(*map(warning, codes)), height=1)[0].startswith("!  EXPLODING")


def test_a_crash_has_all_lines_but_one() -> None:
    why = "RuntimeError: CUDA error: an illegal memory access was encountered while all of this was being told"
    lines = shown(run(warning(), warning("saturated")), height=3, life="CRASHED", detail=f"{why}\nsecond line")
    assert why in " ".join(line.strip() for line in lines)
    assert "\\n" not in "".join(lines)
    assert lines[2] == "   +2 more: !"


def test_what_has_been_done_is_not_advised_again() -> None:
    state = run(warning())
    state.settings["batch_norm"] = "on"
    assert "Press" not in shown(state)[0]


def test_where_the_weights_are_not_finite_it_asks_for_the_restart_without_which_nothing_helps() -> None:
    state = run(warning("exploding"), warning("non-finite", "critical"))
    for line in shown(state, width=120):
        assert line.endswith("Press F for batch norm = on, then r.")
    state.settings["batch_norm"] = "on"
    other = Try(toggle="lr", value=0.1, why="it helped")
    state.open["non-finite"] = msgspec.structs.replace(state.open["non-finite"], try_=[*state.open["non-finite"].try_, other])
    assert [line.endswith("Now press r to restart.") for line in shown(state, width=120)] == [True, True]


def test_a_fix_that_helps_after_a_restart_only_says_so() -> None:
    killed = warning("dead-units")
    fix = Try(toggle="batch_norm", value="on", why="after a restart: score 0.01 to 0.98")
    state = run(msgspec.structs.replace(killed, try_=[fix]))
    assert shown(state, width=120)[0].endswith("Press F for batch norm = on, then r.")
    state.settings["batch_norm"] = "on"
    assert shown(state, width=120)[0].endswith("Now press r to restart.")


def test_settings_that_help_together_are_asked_for_until_all_are_set() -> None:
    fix = Try(toggle="batch_norm", value="on", why="", with_={"lr": 0.001})
    state = run(msgspec.structs.replace(warning(), try_=[fix]))
    assert shown(state, width=120)[0].endswith("Press F for batch norm = on and lr = 0.001.")
    state.settings["batch_norm"] = "on"
    assert shown(state, width=120)[0].endswith("Press F for lr = 0.001.")
    state.settings["lr"] = 0.001
    assert "Press" not in shown(state, width=120)[0]


def test_all_clear_is_said() -> None:
    assert shown(run()) == [" ok  all clear: no warning is open"]


def test_layers_carry_the_worst_severity() -> None:
    one, two = warning(), warning("exploding", "critical")
    assert warnings.flags({"a": one, "b": two}) == {"hidden.0": "critical"}
    assert warnings.flags({"b": two, "a": one}) == {"hidden.0": "critical"}


def test_escape_sequences_of_an_error_are_inert() -> None:
    assert "\x1b" not in "".join(shown(run(), life="CRASHED", detail="boom \x1b[2J"))
