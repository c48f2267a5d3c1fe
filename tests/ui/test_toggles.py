import msgspec

from gradtui.stream.events import Toggle
from gradtui.ui.toggles import following, rank, scaled, typed

CLIP = Toggle(key="clip", label="clipping", kind="choice", value="off", choices=["off", "norm", "value"])
LR = Toggle(key="lr", label="lr", kind="number", value=0.02, minimum=0.0, maximum=1.0)
DEPTH = Toggle(key="depth", label="depth", kind="number", value=8, minimum=1, maximum=1000)


def test_choices_cycle_both_ways() -> None:
    assert [following(CLIP, v, 1) for v in CLIP.choices] == ["norm", "value", "off"]
    assert [following(CLIP, v, -1) for v in CLIP.choices] == ["value", "off", "norm"]


def test_a_value_that_is_not_among_the_choices_leads_to_the_first_or_the_last() -> None:
    assert following(CLIP, "other", 1) == "off"
    assert following(CLIP, "other", -1) == "value"


def test_numbers_double_and_halve_within_their_bounds() -> None:
    assert scaled(LR, 0.02, 1) == 0.04
    assert scaled(LR, 0.02, -1) == 0.01
    assert scaled(LR, 0.9, 1) == 1.0


def test_a_whole_number_stays_whole_and_moves() -> None:
    assert (scaled(DEPTH, 8, 1), scaled(DEPTH, 8, -1), scaled(DEPTH, 1, -1)) == (16, 4, 1)
    assert isinstance(scaled(DEPTH, 5, -1), int)


def test_what_was_typed_is_a_number_or_what_is_wrong_with_it() -> None:
    assert typed(LR, "1e-3") == 1e-3
    assert typed(DEPTH, "12") == 12
    assert isinstance(typed(DEPTH, "12"), int)
    for text, words in (
        ("fast", "not a number"),
        ("-1", "at least 0"),
        ("2", "at most 1"),
        ("nan", "at least"),
        ("\x1b[2J", "not a number"),
    ):
        answer = typed(LR, text)
        assert isinstance(answer, str)
        assert words in answer
        assert "\x1b" not in answer


def test_what_applies_comes_first_and_of_that_what_has_a_key() -> None:
    def toggle(key: str, **changes: object) -> Toggle:
        return msgspec.structs.replace(CLIP, key=key, **changes)

    given = [
        toggle("cell", hotkey="u", applies=False), toggle("slope"), toggle("l2", hotkey="2"), toggle("depth", live=False),
        toggle("clip", hotkey="c"), toggle("lr", hotkey="e"),
    ]  # fmt: skip
    assert [found.key for found in sorted(given, key=rank)] == ["clip", "lr", "l2", "slope", "depth", "cell"]
