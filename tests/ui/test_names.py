from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gradtui.ui.names import labels, short_name


def test_a_shortened_path_keeps_the_numbers_that_tell_layers_apart() -> None:
    assert short_name("encoder.layers.12.attn.q", 14) == "e.l.12.attn.q"
    assert short_name("hidden.0.linear", 10) == "h.0.linear"
    assert short_name("hidden.0.linear", 15) == "hidden.0.linear"
    assert short_name("blocks.11.0.query", 10) == "b.11.0.qu…"


def test_an_ending_that_all_share_goes_first_and_for_all() -> None:
    names = ["hidden.9.linear", "hidden.10.linear", "read_out"]
    assert labels(names, 16) == names
    assert labels(names, 15) == ["hidden.9", "hidden.10", "read_out"]
    assert labels(["blocks.0.query", "blocks.0.key"], 10) == ["b.0.query", "b.0.key"]


def test_one_name_shares_nothing() -> None:
    assert labels(["encoder.linear", "read_out"], 10) == ["e.linear", "read_out"]


@given(st.lists(st.text("ab.0层", max_size=12), max_size=4), st.integers(0, 8))
def test_labels_fit(names: list[str], width: int) -> None:
    assert all(cell_len(label) <= width for label in labels(names, width))
