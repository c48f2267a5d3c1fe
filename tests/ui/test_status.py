import math

import msgspec

from gradtui.diagnose.state import RunState
from gradtui.diagnose.words import signed
from gradtui.stream.events import End
from gradtui.ui import status, theory
from gradtui.ui.life import Life
from gradtui.ui.lines import text_of
from tests.ui import recordings as rec


def running(**changes: object) -> RunState:
    state = RunState()
    state.apply(rec.hello(rec.layers(9)))
    state.apply(msgspec.structs.replace(rec.frame(1284, rec.vanishing(9)), **changes))
    return state


def test_the_line_says_what_runs_and_how_far_it_is() -> None:
    (row,) = status.status_rows(running(), Life("RUN"), "3.1/80 GiB 42%", 120)
    text = text_of(row)
    for part in (
        "deep-sigmoid",
        "RUN",
        "step 1,284/600",
        "loss 2.3",
        "accuracy 11%",
        "lr 0.02",
        "steps/s 412 of 60",
        "cpu",
        "3.1/80 GiB 42%",
    ):
        assert part in text


def test_what_does_not_fit_is_left_out_from_the_end() -> None:
    for width in range(20, 200):
        for row in status.status_rows(running(), Life("RUN"), "3.1/80 GiB 42%", width):
            assert len(text_of(row)) <= max(width, len(" deep-sigmoid  RUN "))
    first, second = status.status_rows(running(), Life("RUN"), "", 40)
    assert "RUN" in text_of(first)
    assert "step 1,284" in text_of(second)


def test_a_long_name_leaves_room_for_the_state_and_many_steps_for_the_loss() -> None:
    state = running(step=12_000_594)
    assert state.hello is not None
    state.hello = msgspec.structs.replace(
        state.hello, scenario={"name": "a-run-with-a-name-of-" + "very-" * 20 + "many-words"}, steps=10**8
    )
    for width in (40, 60, 80, 120):
        text = " ".join(text_of(row) for row in status.status_rows(state, Life("CRASHED"), "", width))
        assert all(part in text for part in (" CRASHED ", "step 12,000,594", "loss 2.3")), width


def test_where_there_is_no_footer_it_says_which_key_lists_the_keys() -> None:
    assert "? keys" in text_of(status.status_rows(running(), Life("RUN"), "", 40)[0])
    assert "? keys" not in text_of(status.status_rows(running(), Life("RUN"), "", 80)[0])


def test_a_loop_that_takes_seconds_for_a_step_does_not_stand_still() -> None:
    speeds = {0.02: "0.02", 3.14: "3.14", 412.0: "412", 12345.6: "12,346"}
    for value, text in speeds.items():
        assert f"steps/s {text} of 60" in text_of(status.status_rows(running(steps_per_second=value), Life("RUN"), "", 120)[0])


def test_silence_is_counted_and_nan_is_said() -> None:
    (row,) = status.status_rows(running(loss=math.nan), Life("SILENT", "12s"), "", 100)
    assert "SILENT 12s" in text_of(row)
    assert "loss nan" in text_of(row)


def test_the_status_has_what_was_logged_after_the_last_frame() -> None:
    state = running()
    state.apply(End(reason="finished", step=1300, logged={"loss": 0.5, "eval_loss": 0.25}))
    assert text_of(status.status_rows(state, Life("DONE"), "", 160)[0]).count("loss") == 2
    assert "eval loss 0.25" in text_of(status.status_rows(state, Life("DONE"), "", 160)[0])


def test_of_several_networks_the_one_with_a_warning_is_summed_up_first() -> None:
    groups = ("actor", "critic", "target")
    layers = [msgspec.structs.replace(layer, group=group) for group in groups for layer in rec.layers(9)]
    state = RunState()
    state.apply(rec.hello(layers))
    for step in range(0, 60, 6):
        state.apply(rec.frame(step, [*[1e-2] * 18, *rec.vanishing(9, 6)]))
    assert list(state.open) == ["vanishing"]
    assert " · target span -6.00" in text_of(status.summary_row(state, [], 80))


def test_the_summary_gives_span_slope_and_clipping() -> None:
    text = text_of(status.summary_row(running(total_norm=120.0, clipped_norm=1.0), [], 100))
    assert "total gradient 120 → 1 clipped" in text
    assert "span -4.45 decades" in text
    assert "slope -0.64/layer" in text


def line(decades: float, deviation: float | None) -> theory.Line:
    """Theory's line of a network of 8 hidden layers and a read-out."""
    return [*(theory.Point(-1.9, -decades * (7 - i) / 7, None, deviation) for i in range(8)), None]


def test_the_summary_keeps_whole_parts_and_the_prediction_beside_what_was_measured() -> None:
    text = text_of(status.summary_row(running(step=3), line(4.44, 0.043), 80))
    assert "span -4.45  theory -4.44 ± 0.09 decades" in text
    for width in range(80):
        cut = text_of(status.summary_row(running(), line(4.45, None), width))
        assert len(cut) <= width
        assert not cut or cut.endswith(("0.13", "span -4.45", "theory at step 0 -4.45", "decades", "/layer"))


def test_the_prediction_is_faint_when_the_network_is_no_longer_as_it_was_initialised() -> None:
    rows = [status.summary_row(running(step=step), line(4.45, None), 100) for step in (10, 11)]
    assert [[style for text, style in row if text == "-4.45"] for row in rows] == [["strong", "theory"], ["strong", "faded"]]
    assert ["theory at step 0" in text_of(row) for row in rows] == [False, True]


def test_nothing_was_clipped_when_both_norms_are_the_same_or_not_numbers() -> None:
    assert "clipped" not in text_of(status.summary_row(running(), [], 100))
    assert "clipped" not in text_of(status.summary_row(running(total_norm=math.nan, clipped_norm=math.nan), [], 100))


def test_a_slope_that_rounds_to_nothing_has_no_sign() -> None:
    assert [signed(x) for x in (-0.001, 0.001, -0.634, math.inf)] == ["0.00", "0.00", "-0.63", "+inf"]


def test_a_watched_loop_says_what_watching_takes_and_how_often_it_looks() -> None:
    state = running()
    frame = msgspec.structs.replace(rec.frame(1296, rec.vanishing(9)), metrics={"watch_share": 0.0123, "norms_every": 4.0})
    state.apply(frame)
    text = text_of(status.status_rows(state, Life("RUN"), "", 160)[0])
    assert "watch 1.2%  norms every 4  frames every 12" in text
    assert "watch_share" not in text
    assert "norms every" not in text_of(status.status_rows(running(), Life("RUN"), "", 160)[0])


def test_a_loss_scale_is_told_by_every_digit() -> None:
    metrics = {"loss_scale": 65536.0, "critic skipped": 2.0, "margin": 65536.0}
    text = text_of(status.status_rows(running(metrics=metrics), Life("RUN"), "", 160)[0])
    assert "loss scale 65,536" in text
    assert "critic skipped 2" in text
    assert "margin 6.6e4" in text


def test_a_run_that_has_said_nothing_yet_is_called_after_its_directory() -> None:
    (row,) = status.status_rows(RunState(), Life("STARTING"), "", 80, "deep-sigmoid-20261124")
    assert text_of(row).split() == ["deep-sigmoid-20261124", "STARTING"]
