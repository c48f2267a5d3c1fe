"""What is written is what is read, and every line is JSON for a parser that allows no NaN."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given

from gradtui.stream.events import Event, Frame, Log, decode, encode
from tests.stream import strategies


def strict(line: bytes) -> Any:
    """Parse as `jq` does: `NaN` and `Infinity` are errors."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(line, parse_constant=refuse)


def same(a: Any, b: Any) -> bool:
    """Equality with types, where NaN equals NaN and 0.0 differs from -0.0."""
    return repr(a) == repr(b)


@given(strategies.events)
def test_round_trip_is_lossless_and_strict_json(event: Event) -> None:
    line = encode(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert strict(line)["type"] == type(event).__struct_config__.tag
    assert same(decode(line), event)


def test_nonfinite_numbers_travel_as_strings_and_none_stays_none() -> None:
    frame = Frame(step=0, time=0.0, loss=math.nan, delta_rms=[math.inf, -math.inf, None, 0.0])
    fields = strict(encode(frame))
    assert fields["loss"] == "nan"
    assert fields["delta_rms"] == ["inf", "-inf", None, 0.0]
    again = decode(encode(frame))
    assert isinstance(again, Frame)
    assert again.delta_rms == [math.inf, -math.inf, None, 0.0]


@pytest.mark.parametrize("text", ["\udcff.toml", {"\udcff": ["\ud800"]}])
def test_text_that_utf8_cannot_say_is_spelled_out(text: Any) -> None:
    """Paths from a shell may hold any byte; one of them must not stop a training."""
    event = Log(text=text) if isinstance(text, str) else Frame(step=0, time=0.0, metrics={"\udcff": 1.0})
    assert "\\udcff" in str(strict(encode(event)))


def test_no_line_holds_what_a_terminal_takes_for_an_escape_sequence() -> None:
    """Somebody's prints reach a terminal by `--json` and by `cat`; U+009B is the beginning of one as much as ESC [ is."""
    text = "".join(map(chr, range(256))) + "é€𝛿"
    line = encode(Log(text=text))
    printed = line.decode().removesuffix("\n")
    assert not [character for character in printed if ord(character) < 32 or 127 <= ord(character) < 160]
    assert "é€𝛿" in printed, "what is harmless stays readable"
    assert decode(line) == Log(text=text)
