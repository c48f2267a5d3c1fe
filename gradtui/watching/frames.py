"""From the optimizers' parts and what the loop logged to one frame."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from gradtui.probe.table import Copy
from gradtui.stream.events import Frame, Numbers
from gradtui.watching.clock import Clock, Part
from gradtui.watching.ranks import Share

Logged = float | Copy
"""What the loop logged: a number, or one on its way from the device."""

_SCALED = ("delta_rms",)
_SCALED_UNTIL_THE_UPDATE = ("grad_max",)
_OF_GRADIENTS = ("delta_rms", "grad_norm", "grad_rms", "grad_max", "grad_zero", "grad_subnormal", "grad_nonfinite")


@dataclass
class Draft:
    """A frame that is not complete yet: numbers are on their way, or the loop has not logged its loss."""

    step: int
    time: float
    steps_per_second: float | None
    parts: dict[Clock, Part]
    metrics: dict[str, float]
    logged: dict[str, Logged] = field(default_factory=dict)
    share: Share | None = None
    """What this process has measured, once it is on the host."""
    lr: float | None = None
    closure_loss: float | None = None

    @property
    def ready(self) -> bool:
        copies = [value for value in self.logged.values() if isinstance(value, Copy)]
        return all(part.collected.ready for part in self.parts.values()) and all(copy.ready for copy in copies)


def number(value: float | Tensor) -> Logged:
    """A logged value; a tensor that is on a device is sent for, so that nobody waits."""
    return Copy(value.detach().reshape(-1)[:1].double()) if isinstance(value, Tensor) else float(value)


def share(draft: Draft, clocks: Sequence[Clock], rows: int) -> Share:
    """What this process has measured, with the clocks' rows in the order of the layers; `rows`: how many there are."""
    fields: dict[str, Numbers] = {}
    clipped: list[float | None] = [None] * len(clocks)
    local: list[float] = []
    for index, clock in enumerate(clocks):
        part = draft.parts.get(clock)
        if part is None:
            continue
        found, further = _read(part)
        for name, numbers in found.items():
            if numbers:
                whole = fields.setdefault(name, [None] * rows)
                for place, value in zip(clock.probe.places, numbers, strict=True):
                    whole[place] = value
        clipped[index] = further.get("clipped_norm")
        if "local_norm" in further:
            local.append(further["local_norm"] / further.get("loss_scale", 1.0))
        draft.metrics |= _amp(clock, further, "" if len(clocks) == 1 else f"{clock.label} ")
        if index == 0:
            draft.lr, draft.closure_loss = further.get("lr", part.lr), further.get("loss")
    logged = {name: value.read()[0] if isinstance(value, Copy) else value for name, value in draft.logged.items()}
    loss = logged.pop("loss", draft.closure_loss)
    draft.metrics |= logged
    return Share(fields=fields, clipped=clipped, loss=loss, local_norm=math.hypot(*local) if local else None)


def finish(draft: Draft, found: Share, clocks: Sequence[Clock]) -> Frame:
    """The frame of what one process, or all together, have measured."""
    norms = found.fields.get("grad_norm", [])
    totals = [_total([norms[place] for place in clock.counted] if norms else []) for clock in clocks]
    metrics = dict(draft.metrics)
    if len(clocks) > 1:
        metrics |= {f"{clock.label} gradient": total for clock, total in zip(clocks, totals, strict=True) if total is not None}
    pairs = [(total, clipped) for total, clipped in zip(totals, found.clipped, strict=True) if total is not None]
    total, clipped = _whole(pairs) if len(clocks) > 1 and _one_network(clocks) else next(iter(pairs), (None, None))
    return Frame(
        step=draft.step,
        time=draft.time,
        loss=found.loss,
        metrics=metrics,
        lr=draft.lr,
        steps_per_second=draft.steps_per_second,
        total_norm=total,
        clipped_norm=total if clipped is None else clipped,
        **found.fields,
    )


def _one_network(clocks: Sequence[Clock]) -> bool:
    """Whether all clocks' gradients are of one network, whose whole gradient they are; of several the first is told."""
    return len({layer.group for clock in clocks for layer in clock.probe.layers}) <= 1


def _whole(pairs: Sequence[tuple[float, float | None]]) -> tuple[float | None, float | None]:
    """The total norms of the parts of one gradient, before and after clipping, as those of all of it."""
    if not pairs:
        return None, None
    clipped = [total if after is None else after for total, after in pairs]
    return math.hypot(*(total for total, _ in pairs)), None if all(after is None for _, after in pairs) else math.hypot(*clipped)


def _read(part: Part) -> tuple[dict[str, Numbers], dict[str, float]]:
    """The part's fields in the gradients' true scale, and its further values by name."""
    found, values = part.collected.read()
    further = dict(zip(part.names, values, strict=True))
    if further.get("left_out"):  # what an infinite gradient looks like says nothing of the training: the step is not made
        return {name: [] if name in _OF_GRADIENTS else numbers for name, numbers in found.items()}, further
    for names, scale in ((_SCALED, further.get("loss_scale")), (_SCALED_UNTIL_THE_UPDATE, further.get("grad_scale"))):
        for name in names if scale else ():
            found[name] = [None if value is None else value / (scale or 1) for value in found[name]]
    return found, further


def _amp(clock: Clock, further: Mapping[str, float], prefix: str) -> dict[str, float]:
    if "loss_scale" not in further:
        return {}
    return {f"{prefix}loss_scale": further["loss_scale"], f"{prefix}skipped": clock.loss_scale.skipped + further.get("skipped", 0.0)}


def _total(norms: Numbers) -> float | None:
    """The norm of all gradients; None when there is none."""
    present = [norm for norm in norms if norm is not None]
    return math.hypot(*present) if present else None
