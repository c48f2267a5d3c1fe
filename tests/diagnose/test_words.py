"""What warnings say: the sentence, the toggles to try, and the one-line form."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Try, Warning
from gradtui.diagnose.words import inert, short, span_of, suggestion, together
from gradtui.stream.events import Frame, Layer, Toggle, Value
from tests.diagnose.streams import TOGGLES, applied, deltas, frame, hello, layers, started, warnings_of


def vanishing(**settings: Value) -> Warning:
    return warnings_of(started(layers(8), **settings), [frame(5 * i, -4.44, rows=9) for i in range(8)], "vanishing")[0]


def named(warning: Warning) -> list[tuple[str, Value]]:
    return [(t.toggle, t.value) for t in warning.try_]


def test_the_sentence_says_what_where_against_which_threshold_since_when_and_why() -> None:
    sentence = vanishing().evidence.sentence
    assert sentence == (
        "δ falls 4.4 decades over 8 layers from hidden.7 back to hidden.0 (3.8 between their outer quarters, threshold 2),"
        " since step 10: the first ones hardly learn"
    )


def test_the_layers_are_those_that_the_threshold_is_about() -> None:
    """Those whose delta is two decades or more under the last hidden layer's."""
    assert vanishing().layers == ["hidden.0", "hidden.1", "hidden.2", "hidden.3"]


def test_the_one_line_form() -> None:
    assert short(vanishing()) == ("VANISHING hidden.0–hidden.3: δ falls 4.4 decades over 8 layers since step 10; try batch_norm=on")


def test_what_helps_from_a_restart_on_only_says_so() -> None:
    late = Try(toggle="batch_norm", value="on", why="after a restart: score 0.01 to 0.97")
    assert suggestion(late) == "try batch_norm=on, then restart"
    assert suggestion(msgspec.structs.replace(late, why="score 0.01 to 0.97")) == "try batch_norm=on"
    assert short(msgspec.structs.replace(vanishing(), try_=[late])).endswith("try batch_norm=on, then restart")


def test_settings_that_help_together_are_said_together() -> None:
    fix = Try(toggle="skip", value="scaled", why="", with_={"lr": 0.001})
    assert suggestion(fix) == "try skip=scaled and lr=0.001"
    assert together(fix) == "skip=scaled lr=0.001"
    wire = msgspec.json.decode(msgspec.json.encode(fix))
    assert wire == {"toggle": "skip", "value": "scaled", "why": "", "with": {"lr": 0.001}}


def test_a_closed_warning_has_nothing_to_try() -> None:
    state = started()
    found = warnings_of(state, [frame(5 * i, -3.0 if i < 8 else 0.0) for i in range(20)], "vanishing")
    assert [w.state for w in found] == ["opened", "closed"]
    assert found[1].try_ == []
    assert short(found[1]) == "closed: VANISHING hidden.0–hidden.1: δ within 0.0 decades"


def test_suggestions_follow_the_activation_best_evidence_first() -> None:
    assert named(vanishing(activation="sigmoid")) == [
        ("batch_norm", "on"),
        ("activation", "elu"),
        ("activation", "tanh"),
        ("skip", "scaled"),
    ]
    assert named(vanishing(activation="relu"))[:2] == [("skip", "scaled"), ("activation", "elu")]


def test_what_is_set_already_is_not_suggested() -> None:
    assert ("batch_norm", "on") not in named(vanishing(batch_norm="on"))
    state = started(layers(8))
    state.apply(applied(0, "batch_norm", "on"))
    assert ("batch_norm", "on") not in named(warnings_of(state, [frame(5 * i, -4.44, rows=9) for i in range(8)], "vanishing")[0])


def test_only_what_the_run_offers_and_what_applies_is_suggested() -> None:
    def offer(toggles: list[Toggle]) -> list[tuple[str, Value]]:
        state = started()
        state.apply(hello(toggles=toggles))
        return named(warnings_of(state, [frame(5 * i, -3.0) for i in range(8)], "vanishing")[0])

    skip = Toggle(key="skip", label="skip", kind="choice", value="off", choices=["off", "scaled", "plain"])
    assert offer([skip]) == [("skip", "scaled")]
    assert offer([msgspec.structs.replace(skip, applies=False, reason="no place for one")]) == []
    assert offer([msgspec.structs.replace(skip, choices=["off", "plain"])]) == []
    assert offer([]) == []


def test_exploding_never_suggests_a_plain_skip_and_knows_where_clipping_destroys() -> None:
    def exploding(**settings: Value) -> list[tuple[str, Value]]:
        return named(warnings_of(started(None, **settings), [frame(0, 2.5)], "exploding")[0])

    assert exploding(activation="relu") == [("batch_norm", "on"), ("activation", "tanh"), ("clip", "norm")]
    assert "clip" not in dict(exploding(activation="tanh"))
    assert exploding(activation="relu", batch_norm="on") == [("skip", "scaled"), ("activation", "tanh"), ("batch_norm", "off")]
    for activation in ("relu", "tanh", "sigmoid"):
        assert ("skip", "plain") not in exploding(activation=activation)


def test_a_learning_rate_is_suggested_relative_to_the_one_in_force() -> None:
    warning = warnings_of(started(lr=0.3), [frame(0, update_ratio=[2.0] * 5)], "update-too-large")[0]
    assert named(warning)[0] == ("lr", 0.03)


def test_units_that_updates_killed_are_not_revived_by_an_activation() -> None:
    """Where the learning rate did it, ELU and leaky ended in NaN; where they were dead from the start, ELU revives them."""
    dead = [1.0] * 4 + [None]
    from_the_start = warnings_of(started(), [frame(i, dead=dead) for i in range(3)], "dead-units")[0]
    assert named(from_the_start)[:2] == [("batch_norm", "on"), ("activation", "elu")]
    killed = warnings_of(started(), [frame(0, update_ratio=[2.0] * 5), *(frame(1 + i, dead=dead) for i in range(3))], "dead-units")[0]
    assert [fix.toggle for fix in killed.try_] == ["batch_norm", "lr", "clip"]
    assert [fix.after_restart for fix in killed.try_] == [False, True, True]  # 0.95, and no better than chance without a restart


def test_units_that_were_alive_were_killed_though_no_frame_shows_the_step_that_did_it() -> None:
    """Unless a vanishing gradient is there, too: then a smaller step is no cure."""

    def advised(tilt: float) -> list[str]:
        state = started()
        state.apply(frame(0, tilt, dead=[0.2] * 4 + [None]))
        late = [frame(10 + 10 * i, tilt, dead=[1.0] * 4 + [None]) for i in range(4)]
        return [fix.toggle for fix in warnings_of(state, late, "dead-units")[0].try_]

    assert advised(0.0) == ["batch_norm", "lr", "clip"]
    assert advised(-3.0) == ["batch_norm", "activation", "activation"]


def test_weights_of_zero_are_drawn_anew() -> None:
    """Nothing else helps a network of zeros: the usual cures of dead units would each be wrong."""
    state = started()
    init = Toggle(key="init", label="init", kind="choice", value="zeros", choices=["zeros", "he"])
    state.apply(hello(toggles=[*TOGGLES, init]))
    frames = [frame(i, dead=[1.0] * 4 + [None], weight_norm=[0.0] * 4 + [8.0]) for i in range(3)]
    assert named(warnings_of(state, frames, "dead-units")[0]) == [("init", "he")]


def test_a_warning_goes_over_the_wire_with_the_key_try() -> None:
    wire = msgspec.json.decode(msgspec.json.encode(vanishing()))
    assert (wire["type"], wire["code"], wire["state"]) == ("warning", "vanishing", "opened")
    assert wire["try"][0]["toggle"] == "batch_norm"
    assert "try_" not in wire


def test_names_from_outside_are_inert_in_words() -> None:
    """Escape sequences, line breaks and bidirectional overrides in a layer's name reach no terminal through a sentence."""
    evil = "a\x1b[31m\n\u202eb"
    rows = [Layer(name=evil, kind="Linear", parameters=10), *layers()[1:]]

    def frames() -> list[Frame]:
        broken: dict[str, Any] = {"update_ratio": [2.0, 0.0, 0.0, 0.0, 0.0], "activation_std": [float("nan"), 1.0, 1.0, 1.0, 1.0]}
        return [frame(5 * i, -3.0, dead=[1.0, 0.0, 0.0, 0.0, None], **(broken if i == 9 else {})) for i in range(10)]

    state = started(rows)
    found = [w for f in frames() for w in state.apply(f)]
    assert {w.code for w in found} == {"vanishing", "update-too-large", "non-finite", "dead-units"}
    for warning in found:
        assert warning.layers[0] == evil  # data stays as it is
        for text in (warning.evidence.sentence, warning.evidence.brief, short(warning)):
            assert text.isprintable()
    assert inert("hidden.0") == "hidden.0"


def test_a_graver_warning_says_how_grave_and_not_that_its_number_is_worse() -> None:
    """A plateau is critical once it has lasted, whatever its loss does meanwhile."""
    losses = [frame(5 * i, loss=2.7 - 0.002 * i) for i in range(45)]
    state = RunState()
    state.apply(hello(toggles=TOGGLES, scenario={"data": "digits"}))
    said = [short(w) for w in warnings_of(state, losses, "plateau")]
    assert said == ["PLATEAU: the loss is 116% of a constant guess's", "now critical: PLATEAU: the loss is 114% of a constant guess's"]
    open = vanishing()
    edge = msgspec.structs.replace(open, state="escalated", severity="information")
    assert short(edge).startswith("no longer mitigated: VANISHING")


def test_a_range_names_its_network_once() -> None:
    assert span_of(["critic hidden.0", "critic hidden.1", "critic hidden.2"]) == "critic hidden.0–hidden.2"
    assert span_of(["critic hidden.0", "generator hidden.0"]) == "critic hidden.0–generator hidden.0"
    assert [span_of(names) for names in ([], ["a b"], ["a", "b"])] == ["", "a b", "a–b"]


def test_a_number_in_a_range_is_said_to_be_a_layer() -> None:
    assert [span_of(names) for names in (["0"], ["0", "2.1"], ["0", "head"], ["stem", "2"])] == [
        "layer 0",
        "layers 0–2.1",
        "layer 0–head",
        "stem–layer 2",
    ]
    assert span_of(["critic 0", "critic 4"]) == "critic layers 0–4"
    assert span_of(["critic 4", "generator 0"]) == "critic layer 4–generator layer 0"
    assert span_of(["critic hidden.0"]) == "critic hidden.0"


NUMBERED = [Layer(name=str(2 * i), kind="Linear", parameters=10) for i in range(5)]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"update_ratio": [1e-8] * 5}, "update-too-small", "a step changes layer 0 by 1e-08"),
        ({"update_ratio": [2.0] + [0.1] * 4}, "update-too-large", "changes layer 0 by 2 times"),
        ({"grad_norm": [0.1, 0.1, None, None, 0.1]}, "no-gradient", "(layer 4, layer 6)"),
        ({"activation_std": [1.0, math.nan, 1.0, 1.0, 1.0]}, "non-finite", "the output of layer 2 is not finite"),
        ({"grad_norm": [1.0, math.nan, 1.0, 1.0, 1.0]}, "non-finite", "the gradient of layer 2 is not finite"),
        ({"weight_norm": [1.0, math.nan, 1.0, 1.0, 1.0]}, "non-finite", "the weights of layer 2 are not finite"),
        ({"grad_norm_max": [1.0, math.nan, 1.0, 1.0, 1.0]}, "non-finite", "the gradient of layer 2 was not finite"),
        ({"delta_rms": deltas(-4.0)}, "vanishing", "from layer 6 back to layer 0"),
        ({"delta_rms": deltas(4.0)}, "exploding", "from layer 6 back to layer 0"),
        ({"delta_rms": deltas(-4.0), "penalty_norm": [1e3] * 5}, "penalty-hides-vanishing", "in layer 0 (threshold"),
        ({"effective_units": [1.0] * 5}, "symmetry", "the units of layers 0–8 are worth"),
        ({"dead": [1.0] * 4 + [None]}, "dead-units", "of layers 0–6 are dead"),
    ],
)
def test_layers_that_have_only_numbers_are_called_layers(more: dict[str, Any], code: str, said: str) -> None:
    """`nn.Sequential` names them so, and "a step changes 0 by 0 of its norm" is no sentence."""
    warning = warnings_of(started(NUMBERED), [frame(10 * i, **more) for i in range(8)], code)[0]
    assert said in warning.evidence.sentence
    assert all(name.isdecimal() for name in warning.layers)  # data stays as it is
