"""The toggles, each declared once: its values, where it applies, and how it is applied and undone.

The one table serves the screen, `--set`, `--at`, `gradtui show`, scenario files and the trainer. Applying needs torch, so
the declarations name a method of the training session; nothing here imports torch, and the CLI can check a setting
before any trainer has started.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from gradtui.lab.errors import SettingError
from gradtui.stream.events import Toggle, Value

if TYPE_CHECKING:
    from gradtui.lab.scenario import Scenario
    from gradtui.lab.session import Session


class Scheduled(Struct, frozen=True):
    """A setting that comes into force before step `step`."""

    step: int
    key: str
    value: Value


def _everywhere(_: Scenario) -> str:
    return ""


def _by_the_step(_session: Session, _value: Value) -> str:
    """For toggles that the training loop reads afresh at every step."""
    return ""


@dataclass(frozen=True)
class Declaration:
    """One toggle. A choice has `choices`; a number has `minimum` and `maximum`."""

    key: str
    label: str
    about: str
    default: Value
    choices: tuple[str, ...] = ()
    minimum: float = 0.0
    maximum: float = math.inf
    whole: bool = False
    hotkey: str = ""
    live: bool = True
    """False: it shapes the network or the data, so it takes effect at a restart."""
    applies: Callable[[Scenario], str] = _everywhere
    """The reason why it does not apply to a scenario; empty: it does."""
    apply: Callable[[Session, Value], str] = _by_the_step
    """Brings `value` into force between two steps; returns what a person should know of how."""

    def check(self, value: Value) -> Value:
        """`value` as this toggle keeps it. Raises SettingError."""
        return self._check_choice(value) if self.choices else self._check_number(value)

    def _check_choice(self, value: Value) -> str:
        spelled = {"true": "on", "false": "off"}.get(str(value).lower(), str(value))
        if spelled in self.choices:
            return spelled
        near = difflib.get_close_matches(spelled, self.choices, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise SettingError(f"{self.key} is {value!r}; {hint}it is one of {', '.join(self.choices)}")

    def _check_number(self, value: Value) -> int | float:
        try:
            number = float(value) if not isinstance(value, bool) else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum or (self.whole and number != int(number)):
            raise SettingError(f"{self.key} is {value!r}; it is {self.range}")
        return int(number) if self.whole else number

    @property
    def range(self) -> str:
        """What the toggle takes, in words."""
        if self.choices:
            return " | ".join(self.choices)
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.minimum:g}" + (f" to {self.maximum:g}" if math.isfinite(self.maximum) else " up")


def _needs(families: set[str], why: str) -> Callable[[Scenario], str]:
    def applies(scenario: Scenario) -> str:
        return "" if scenario.model in families else why.format(model=scenario.model)

    return applies


ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "identity")
INITS = ("xavier", "he", "lecun", "orthogonal", "gaussian", "zeros", "constant")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")

TOGGLES: tuple[Declaration, ...] = (
    Declaration(
        "clip",
        "clipping",
        "Gradient clipping: `norm` rescales the whole gradient to the threshold (Pascanu 2013), `value` clamps every entry to it.",
        default="off",
        choices=("off", "norm", "value"),
        hotkey="c",
    ),
    Declaration(
        "clip_threshold",
        "clip at",
        "The largest norm, or the largest entry, that clipping lets through.",
        default=1.0,
        minimum=1e-12,
        maximum=1e12,
        hotkey="t",
    ),
    Declaration(
        "batch_norm",
        "batch norm",
        "Batch normalisation before each non-linearity (Ioffe 2015); `no_affine` leaves out its scale and shift.",
        default="off",
        choices=("off", "on", "no_affine"),
        hotkey="n",
        applies=_needs({"mlp", "resnet"}, "a {model} has no batch normalisation here"),
        apply=lambda session, value: session.set_norm(str(value)),
    ),
    Declaration(
        "skip",
        "skip",
        "Residual connections (He 2016): `plain` adds x + f(x), `scaled` adds x + f(x)/√L.",
        default="off",
        choices=("off", "scaled", "plain"),
        hotkey="s",
        applies=_needs({"mlp", "resnet"}, "a {model} has no place for a skip here"),
        apply=lambda session, value: session.set_skip(str(value)),
    ),
    Declaration(
        "activation",
        "activation",
        "The non-linearity after every hidden layer.",
        default="relu",
        choices=ACTIVATIONS,
        hotkey="a",
        apply=lambda session, _: session.set_activation(),
    ),
    Declaration(
        "leaky_slope",
        "leaky slope",
        "Leaky ReLU's slope for negative inputs.",
        default=0.01,
        minimum=0,
        maximum=1,
        apply=lambda session, _: session.set_activation(),
    ),
    Declaration(
        "init",
        "init",
        "How weights are drawn: xavier (Glorot 2010), he (He 2015), lecun, orthogonal, gaussian (N(0, σ_w²/fan_in)), zeros, constant."
        " Changing it draws them anew.",
        default="xavier",
        choices=INITS,
        hotkey="i",
        apply=lambda session, _: session.reinitialise(),
    ),
    Declaration(
        "sigma_w",
        "σ_w",
        "Of init=gaussian: σ_w² = fan_in · Var W. Xavier on square layers is 1, He √2.",
        default=1.0,
        maximum=1e3,
        apply=lambda session, _: session.set_sigma_w(),
    ),
    Declaration(
        "l1",
        "L1",
        "Strength λ of λ·Σ|w| in the loss; its gradient is measured apart.",
        default=0.0,
        maximum=1e3,
        hotkey="1",
    ),
    Declaration(
        "l2",
        "L2",
        "Strength λ of λ·Σw² in the loss; its gradient is measured apart.",
        default=0.0,
        maximum=1e3,
        hotkey="2",
    ),
    Declaration(
        "optimizer",
        "optimizer",
        "The update rule; changing it starts its state afresh and keeps the learning rate.",
        default="momentum",
        choices=OPTIMIZERS,
        hotkey="o",
        apply=lambda session, _: session.rebuild_optimizer(),
    ),
    Declaration("lr", "lr", "The learning rate.", default=0.01, maximum=1e7, hotkey="e", apply=lambda session, _: session.set_lr()),
    Declaration(
        "depth",
        "depth",
        "Hidden layers.",
        default=8,
        minimum=1,
        maximum=1000,
        whole=True,
        live=False,
        applies=_needs({"mlp"}, "the depth of a {model} is its own"),
    ),
    Declaration(
        "width",
        "width",
        "Units in each hidden layer.",
        default=64,
        minimum=1,
        maximum=4096,
        whole=True,
        live=False,
        applies=_needs({"mlp"}, "the width of a {model} is its own"),
    ),
    Declaration("batch", "batch", "Examples in a batch.", default=64, minimum=2, maximum=4096, whole=True, live=False),
    Declaration("pace", "pace", "Steps a second, so that an eye can follow; 0: as fast as it goes.", default=0.0, maximum=1e6, hotkey="p"),
)

BY_KEY: Mapping[str, Declaration] = {declaration.key: declaration for declaration in TOGGLES}


def declared(key: str) -> Declaration:
    """The toggle called `key`. Raises SettingError with the nearest name."""
    if key in BY_KEY:
        return BY_KEY[key]
    near = difflib.get_close_matches(key, BY_KEY, n=1)
    raise SettingError(f"{key}: no such toggle; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_KEY)}"))


def check(scenario: Scenario, key: str, value: Value) -> Value:
    """`value` as the toggle keeps it. Raises SettingError for an unknown key, a wrong value, or a toggle that does not apply."""
    toggle = declared(key)
    if reason := toggle.applies(scenario):
        raise SettingError(f"{key}: does not apply to {scenario.name or 'this scenario'}: {reason}")
    return toggle.check(value)


def initial(scenario: Scenario, changes: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """Every toggle that applies to `scenario`, with the value it starts with. Raises SettingError."""
    settings = {toggle.key: toggle.default for toggle in TOGGLES if not toggle.applies(scenario)}
    for key, value in (scenario.settings | dict(changes or {})).items():
        settings[key] = check(scenario, key, value)
    return settings


def offered(scenario: Scenario, settings: Mapping[str, Value]) -> list[Toggle]:
    """The toggles as `hello` carries them: those that do not apply come with the reason."""
    return [_offer(toggle, toggle.applies(scenario), settings) for toggle in TOGGLES]


def _offer(toggle: Declaration, reason: str, settings: Mapping[str, Value]) -> Toggle:
    number = not toggle.choices
    return Toggle(
        key=toggle.key,
        label=toggle.label,
        kind="number" if number else "choice",
        value=settings.get(toggle.key, toggle.default),
        choices=list(toggle.choices),
        minimum=toggle.minimum if number else None,
        maximum=toggle.maximum if number and math.isfinite(toggle.maximum) else None,
        hotkey=toggle.hotkey,
        live=toggle.live,
        applies=not reason,
        reason=reason,
    )


def parse_setting(scenario: Scenario, text: str) -> tuple[str, Value]:
    """`KEY=VALUE` as `--set` takes it. Raises SettingError."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise SettingError(f"{text!r}; it is KEY=VALUE, as in batch_norm=true")
    return key.strip(), check(scenario, key.strip(), value.strip())


def parse_scheduled(scenario: Scenario, text: str) -> Scheduled:
    """`STEP:KEY=VALUE` as `--at` takes it. Raises SettingError."""
    step, colon, setting = text.partition(":")
    if not colon or not step.strip().isdecimal():
        raise SettingError(f"{text!r}; it is STEP:KEY=VALUE, as in 200:batch_norm=true")
    key, value = parse_setting(scenario, setting)
    return Scheduled(int(step), key, value)
