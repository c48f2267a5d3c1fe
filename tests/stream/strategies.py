"""Hypothesis strategies for every event: all floats there are, all text that UTF-8 can say, None where it is allowed."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from gradtui.stream.events import Applied, End, Event, Frame, Hello, Layer, Log, Numbers, Toggle, Value

PER_LAYER = tuple(name for name, kind in Frame.__annotations__.items() if kind == "Numbers")

floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
finite = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**53), 2**53)
texts = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(["nan", "inf", "null", "true", "1", "\x00\x1b[31m\r\n\u2028"])
values: st.SearchStrategy[Value] = st.booleans() | integers | finite | texts
numbers: st.SearchStrategy[Numbers] = st.lists(st.none() | floats, max_size=8)
json_like: st.SearchStrategy[Any] = st.recursive(
    st.none() | values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)

layers = st.builds(
    Layer,
    name=texts,
    kind=texts,
    shape=st.lists(integers, max_size=4),
    parameters=integers,
    frozen=st.booleans(),
    group=texts,
)
toggles = st.builds(
    Toggle,
    key=texts,
    label=texts,
    kind=texts,
    value=values,
    choices=st.lists(texts, max_size=3),
    minimum=st.none() | floats,
    maximum=st.none() | floats,
    hotkey=texts,
    live=st.booleans(),
    applies=st.booleans(),
    reason=texts,
)
hellos = st.builds(
    Hello,
    run=texts,
    scenario=st.dictionaries(texts, json_like, max_size=4),
    seed=integers,
    device=texts,
    versions=st.dictionaries(texts, texts, max_size=3),
    pid=integers,
    host=texts,
    started=floats,
    layers=st.lists(layers, max_size=3),
    toggles=st.lists(toggles, max_size=3),
    steps=st.none() | integers,
    attempt=integers,
)
frames = st.builds(
    Frame,
    step=integers,
    time=floats,
    loss=st.none() | floats,
    metrics=st.dictionaries(texts, floats, max_size=3),
    lr=st.none() | floats,
    steps_per_second=st.none() | floats,
    total_norm=st.none() | floats,
    clipped_norm=st.none() | floats,
    **dict.fromkeys(PER_LAYER, numbers),
)
applied = st.builds(Applied, id=texts, step=integers, toggle=texts, value=st.none() | values, reason=texts, note=texts)
logs = st.builds(Log, text=texts)
ends = st.builds(End, reason=texts, step=integers, error=texts)
events: st.SearchStrategy[Event] = hellos | frames | applied | logs | ends
