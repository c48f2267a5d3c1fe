from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.scrollbar import ScrollBarRender

from gradtui.ui import scale
from gradtui.ui.plain import ascii_text


def test_bars_keep_their_shape() -> None:
    assert ascii_text("██▌ ░ │–…→") == "##= : |-~>"


@given(st.text())
def test_everything_becomes_ascii_of_the_same_width(text: str) -> None:
    plain = ascii_text(text)
    assert plain.isascii()
    assert cell_len(plain) == cell_len(text) or not text.isprintable()


def test_every_block_of_a_bar_has_a_likeness() -> None:
    assert "?" not in ascii_text(scale.EIGHTHS)


def test_the_ends_of_scroll_bars_are_no_questions() -> None:
    bars = ScrollBarRender.VERTICAL_BARS + ScrollBarRender.HORIZONTAL_BARS
    assert "?" not in ascii_text("".join(bars))
