"""Synthetic runs, built of the real events: a network of four hidden layers and a read-out unless a test wants another.

With four hidden layers a quarter is one layer, so the tilt of `deltas(tilt)` is exactly the number given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gradtui.diagnose.state import RunState
from gradtui.diagnose.warnings import Warning
from gradtui.stream.events import Applied, Frame, Hello, Layer, Toggle, Value

HIDDEN = 4

TOGGLES = [
    Toggle(key="clip", label="clipping", kind="choice", value="off", choices=["off", "norm", "value"], hotkey="c"),
    Toggle(key="batch_norm", label="batch norm", kind="choice", value="off", choices=["off", "on", "no_affine"], hotkey="n"),
    Toggle(key="skip", label="skip", kind="choice", value="off", choices=["off", "scaled", "plain"], hotkey="s"),
    Toggle(key="activation", label="activation", kind="choice", value="sigmoid", choices=["sigmoid", "tanh", "relu", "elu"]),
    Toggle(key="lr", label="lr", kind="number", value=0.02, minimum=0.0, maximum=1e7),
]


def layers(hidden: int = HIDDEN, group: str = "") -> list[Layer]:
    names = [f"hidden.{i}" for i in range(hidden)] + ["read_out"]
    return [Layer(name=name, kind="Linear", shape=[64, 64], parameters=4160, group=group) for name in names]


def hello(
    rows: list[Layer] | None = None, settings: Mapping[str, Value] | None = None, toggles: list[Toggle] | None = None, **more: Any
) -> Hello:
    """`settings` replaces the toggles' values."""
    offered = TOGGLES if toggles is None else toggles
    now = [Toggle(**{f: getattr(t, f) for f in t.__struct_fields__} | {"value": (settings or {}).get(t.key, t.value)}) for t in offered]
    fields: dict[str, Any] = {"run": "r", "scenario": {}, "seed": 0, "device": "cpu", "versions": {}, "pid": 1, "host": "h", "started": 0.0}
    return Hello(**fields | {"layers": layers() if rows is None else rows, "toggles": now} | more)


def deltas(tilt: float = 0.0, hidden: int = HIDDEN) -> list[float | None]:
    """A straight profile whose first hidden layer is `tilt` decades above its last, which is at 1, and a read-out at 1."""
    return [10.0 ** (tilt * (hidden - 1 - i) / (hidden - 1)) for i in range(hidden)] + [1.0]


def frame(step: int, tilt: float = 0.0, rows: int = HIDDEN + 1, **more: Any) -> Frame:
    """A healthy frame, its profile apart; `more` replaces fields."""
    fields: dict[str, Any] = {
        "time": step / 100,
        "loss": 2.3,
        "lr": 0.02,
        "total_norm": 1.0,
        "clipped_norm": 1.0,
        "delta_rms": deltas(tilt, rows - 1),
        "grad_norm": [0.1] * rows,
        "grad_norm_min": [0.1] * rows,
        "grad_norm_max": [0.1] * rows,
        "grad_rms": [0.1] * rows,
        "grad_max": [0.1] * rows,
        "grad_zero": [0.0] * rows,
        "grad_nonfinite": [0.0] * rows,
        "penalty_norm": [0.0] * rows,
        "weight_norm": [8.0] * rows,
        "update_ratio": [1e-3] * rows,
        "activation_mean": [0.0] * rows,
        "activation_std": [1.0] * rows,
        "saturated": [None] * rows,
        "dead": [0.1] * (rows - 1) + [None],
    }
    return Frame(step=step, **fields | more)


def applied(step: int, toggle: str, value: Value | None = None, reason: str = "") -> Applied:
    return Applied(id="c", step=step, toggle=toggle, value=value, reason=reason)


def started(rows: list[Layer] | None = None, **settings: Value) -> RunState:
    state = RunState()
    state.apply(hello(rows, settings))
    return state


def edges(state: RunState, frames: Iterable[Frame]) -> list[tuple[int, str, str, str]]:
    """(step, code, state, severity) of every edge that the frames cause."""
    return [(w.step, w.code, w.state, w.severity) for f in frames for w in state.apply(f)]


def warnings_of(state: RunState, frames: Iterable[Frame], code: str) -> list[Warning]:
    return [w for f in frames for w in state.apply(f) if w.code == code]
