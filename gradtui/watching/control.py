"""Changing a live loop from a viewer, where `watch(…, control=True)` allows it.

Every change is undone by setting the toggle back, and nothing is changed that the loop itself could set: the learning rate is scaled
for the length of one optimizer step only, so a scheduler never sees it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from gradtui.probe import activations
from gradtui.probe.kinds import is_opaque
from gradtui.stream.commands import Command, CommandError, CommandReader
from gradtui.stream.events import Applied, Event, Layer, Toggle, Value
from gradtui.stream.run_directory import RunDirectory

_NAP = 0.05
"""Seconds between two looks at the commands while paused."""
_NONE = "none"
_VERBS = ("pause", "resume", "step")


class Obeyed(NamedTuple):
    """What a viewer has changed."""

    refrozen: list[nn.Parameter]
    """Those that were frozen or thawed."""
    exchanged: bool
    """Activation modules were."""
    single: bool
    """One step is to be made, and then no more."""


class Control:
    """Obeys the commands of a run's viewers between two steps. `record` takes the answers."""

    def __init__(
        self, directory: RunDirectory, record: Callable[[Event], None], models: Sequence[nn.Module], optimizers: Sequence[Optimizer]
    ) -> None:
        self._directory = directory.path
        self._commands = CommandReader(directory.commands)
        self._record = record
        self._models = models
        self._optimizers = optimizers
        self._layers: dict[str, list[nn.Parameter]] = {}
        self._frozen: list[nn.Parameter] = []
        self._paused = False
        self._lr: list[tuple[dict[str, object], object]] = []
        self.settings: dict[str, Value] = {
            "lr_scale": 1.0,
            "clip_norm": 0.0,
            "freeze": _NONE,
            "activation": activations.OWN,
            "checkpoint": "off",
        }
        self._seen = True

    def know(self, layers: Sequence[Layer], parameters: Sequence[Sequence[nn.Parameter]], seen: bool) -> None:
        """Rows that can be frozen; `seen`: whether the modules were seen to be called, which those of a compiled model are not."""
        self._seen = seen
        named = zip(layers, parameters, strict=True)
        self._layers |= {f"{layer.group} {layer.name}".strip(): list(own) for layer, own in named if own}

    def toggles(self) -> list[Toggle]:
        """What is offered, as it stands."""
        swaps = [activations.OWN, *activations.MODULES]
        return [
            self._number("lr_scale", "learning rate ×", "e"),
            self._number("clip_norm", "clip gradient norm at (0: off)", "c"),
            self._choice("freeze", "freeze layer", [_NONE, *self._layers], "f"),
            self._choice("activation", "activation modules", swaps, "a"),
            self._choice("checkpoint", "save a checkpoint", ["off", "save"], "v"),
        ]

    def _number(self, key: str, label: str, hotkey: str) -> Toggle:
        return Toggle(key=key, label=label, kind="number", value=self.settings[key], minimum=0.0, hotkey=hotkey)

    def _choice(self, key: str, label: str, choices: list[str], hotkey: str) -> Toggle:
        return Toggle(key=key, label=label, kind="choice", value=self.settings[key], choices=choices, hotkey=hotkey)

    def clip(self, optimizer: Optimizer) -> None:
        """The optimizer is about to use its gradients. Those that a fused one has yet to unscale are left alone."""
        threshold = float(self.settings["clip_norm"])
        if threshold and getattr(optimizer, "grad_scale", None) is None:
            nn.utils.clip_grad_norm_([parameter for group in optimizer.param_groups for parameter in group["params"]], threshold)

    def scale_lr(self, optimizer: Optimizer) -> None:
        """A step begins. (One that was left by an exception gave nothing back.)"""
        self.restore_lr()
        if (scale := float(self.settings["lr_scale"])) != 1:
            self._lr = [(group, group["lr"]) for group in optimizer.param_groups if group.get("lr") is not None]
            for group, lr in self._lr:
                group["lr"] = lr * scale  # type: ignore[operator]

    def restore_lr(self) -> None:
        """The loop gets back the learning rate that it had set."""
        for group, lr in self._lr:
            group["lr"] = lr
        self._lr = []

    def obey(self, step: int, hold: Callable[[], None]) -> Obeyed:
        """Take the commands in; while paused, stay here, after calling `hold`. `step`: the next one."""
        frozen, activation = self._frozen, self.settings["activation"]
        single = self._take(step)
        if self._paused and not single:
            hold()
        while self._paused and not single:
            time.sleep(_NAP)
            single = self._take(step)
        refrozen = [] if self._frozen is frozen else frozen + self._frozen
        return Obeyed(refrozen, self.settings["activation"] != activation, single)

    def release(self) -> None:
        """The watching is over: what was frozen thaws, and the network has its own activations."""
        self.restore_lr()
        self._thaw()
        if self.settings["activation"] != activations.OWN:
            activations.swap(self._models, None)

    def _take(self, step: int) -> bool:
        """Whether one step was asked for."""
        single = False
        for command in self._commands.poll():
            if isinstance(command, CommandError):
                self._record(Applied(id=command.id, step=step, toggle="", reason=str(command)))
            elif command.do:
                single |= self._do(command, step)
            else:
                for key, value in command.set.items():
                    self._set(command.id, step, key, value)
        return single

    def _do(self, command: Command, step: int) -> bool:
        known = command.do in _VERBS
        reason = "" if known else f"a watched training cannot be told to {command.do}; it can pause, resume and step"
        self._record(Applied(id=command.id, step=step, toggle=command.do, reason=reason))
        if known:
            self._paused = command.do != "resume"
        return command.do == "step"

    def _set(self, id: str, step: int, key: str, value: Value) -> None:
        note = ""
        try:
            value = self._checked(key, value)
            if key == "checkpoint":  # done at once: there is no value that stays
                note = self._save(step) if value == "save" else ""
                self._record(Applied(id=id, step=step, toggle=key, note=note))
                return
            if key == "freeze":
                self._freeze(str(value))
            elif key == "activation":
                self._swap_activations(str(value))
            self.settings[key] = value
        except (ValueError, OSError) as error:
            self._record(Applied(id=id, step=step, toggle=key, value=value, reason=str(error)))
        else:
            self._record(Applied(id=id, step=step, toggle=key, value=value, note=note))

    def _checked(self, key: str, value: Value) -> Value:
        toggle = next((toggle for toggle in self.toggles() if toggle.key == key), None)
        if toggle is None:
            raise ValueError(f"{key}: no such toggle; there are {', '.join(self.settings)}")
        if toggle.kind == "choice":
            if value not in toggle.choices:
                raise ValueError(f"{key} is {value!r}; it is one of {', '.join(toggle.choices)}")
            return value
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise ValueError(f"{key} is {value!r}; it is a number of at least 0")
        return number

    def _freeze(self, layer: str) -> None:
        chosen, frozen = set(self._layers.get(layer, [])), set(self._frozen)
        trained = {parameter for own in self._layers.values() for parameter in own if parameter.requires_grad} | frozen
        if trained and trained <= chosen:
            raise ValueError(f"freeze: {layer} is all that is trained; without it there is no gradient")
        self._thaw()
        self._frozen = [parameter for parameter in self._layers.get(layer, []) if parameter.requires_grad]
        for parameter in self._frozen:
            parameter.requires_grad_(False)
            parameter.grad = None

    def _thaw(self) -> None:
        for parameter in self._frozen:
            parameter.requires_grad_(True)
        self._frozen = []

    def _swap_activations(self, name: str) -> None:
        if not self._seen or any(is_opaque(module) for model in self._models for module in model.modules()):
            raise ValueError("activation: the model is compiled, its graph would go on with the activations that it was compiled with")
        activations.swap(self._models, activations.MODULES.get(name))

    def _save(self, step: int) -> str:
        path: Path = self._directory / f"checkpoint-{step}.pt"
        models = [model.state_dict() for model in self._models]
        try:
            torch.save({"step": step, "models": models, "optimizers": [one.state_dict() for one in self._optimizers]}, path)
        except Exception as error:  # a full disk, or what cannot be pickled: torch and the state raise what they like
            path.unlink(missing_ok=True)
            raise ValueError(f"the checkpoint cannot be saved: {error}") from None
        return f"saved in {path}"
