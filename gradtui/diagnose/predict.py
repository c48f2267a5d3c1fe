"""What theory says of a run's own network: from its hello to one number a layer, and nothing where theory does not hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradtui.diagnose import finite_width, theory
from gradtui.diagnose.activations import ACTIVATIONS, Activation, leaky_relu
from gradtui.diagnose.profile import TIME_STEP
from gradtui.diagnose.theory import Convolution, Initial
from gradtui.stream.events import Hello, Layer, Value

SCALED_DATA = ("digits", "spirals", "mnist", "cifar10")
"""Data whose inputs have |x|²/N_0 = 1 on average."""
BATCH = 64
"""Examples of a batch, where the run does not say."""
IMAGE = 8
"""The side of the digits."""
FIRST_SYMBOL = (0.25, 0.04)
"""What the sequences' inputs add to the variance of a pre-activation, at the first time step and at every later one."""


def predict(hello: Hello) -> list[float | None]:
    """log10 delta of every layer at initialisation, relative to the profile's last row; None where there is no prediction.

    Known: dense networks with batch normalisation and skips, plain convolutional ones, Elman's recurrent cell, and a critic whose
    weights are clipped, in the lab's own families. Not: weights that are constant, biases that are not 0, gates, transformers,
    networks of a user's own.
    """
    nothing: list[float | None] = [None] * len(hello.layers)
    try:
        found = _predicted(hello)
    except (ArithmeticError, ValueError):  # σ_w = 0, or so large that it overflows
        return nothing
    return found if found and all(log is None or math.isfinite(log) for log in found) else nothing


def deviations(hello: Hello) -> list[float | None]:
    """Standard deviation, in decades, of each number that `predict` gives, over the draw of the weights; None where it is not known.

    Known: plain dense networks, and the critic. Not: skips, batch normalisation, orthogonal weights, convolutions, recurrence.
    """
    nothing: list[float | None] = [None] * len(hello.layers)
    try:
        found = _strayed(hello)
    except (ArithmeticError, ValueError):
        return nothing
    return found if found and all(own is None or math.isfinite(own) for own in found) else nothing


def span(prediction: Sequence[float | None]) -> float | None:
    """The predicted span in decades, with the sign of `Profile.span`; None without a prediction."""
    known = [log for log in prediction if log is not None]
    return known[0] - known[-1] if len(known) > 1 else None


@dataclass(frozen=True)
class _Setting:
    """What a hello says of the network."""

    model: Value | None
    data: Value | None
    toggles: dict[str, Value]
    activation: Activation


def _setting(hello: Hello) -> _Setting | None:
    """None: of no activation or of biases that theory knows."""
    toggles = {toggle.key: toggle.value for toggle in hello.toggles}
    activation = _activation(toggles)
    options = hello.scenario.get("options")
    biased = isinstance(options, dict) and bool(options.get("bias"))
    if activation is None or biased:
        return None
    return _Setting(hello.scenario.get("model"), toggles.get("data", hello.scenario.get("data")), toggles, activation)


def _predicted(hello: Hello) -> list[float | None] | None:
    setting = _setting(hello)
    if setting is None:
        return None
    match setting.model, setting.data:
        case "mlp", data if data in SCALED_DATA:
            return _dense(hello.layers, setting.toggles, setting.activation)
        case "resnet", "digits":
            return _convolutional(hello.layers, setting.toggles, setting.activation)
        case "rnn", "first_symbol":
            return _recurrent(hello.layers, setting.toggles, setting.activation)
        case "wgan", _ if _clips(setting.toggles):
            return _critic(hello.layers, setting.toggles, setting.activation)
    return None


def _strayed(hello: Hello) -> list[float | None] | None:
    setting = _setting(hello)
    if setting is None or not _plain(setting.toggles) or setting.toggles.get("init") == "orthogonal":
        return None
    layers, batch = hello.layers, max(1, int(_number(setting.toggles, "batch", BATCH)))
    match setting.model, setting.data:
        case "mlp", data if data in SCALED_DATA:
            drawn = _drawn(layers[:-1], setting.toggles)
            rows, classes = list(range(len(layers) - 1)), next(iter(layers[-1].shape), 1)
        case "wgan", _ if _clips(setting.toggles):
            rows, classes, batch = _critics_hidden(layers), 1, 1  # points of a plane and one output: all examples stray as one
            drawn = _clamped_all(layers, rows, setting.toggles)
        case _:
            return None
    if drawn is None:
        return None
    widths = [layers[index].shape[0] for index in rows]
    found: list[float | None] = [None] * len(layers)
    strayed = finite_width.deviations(setting.activation, drawn, widths, batch=batch, classes=classes)
    for index, own in zip(rows, strayed, strict=True):
        found[index] = own
    return found


def _plain(settings: Mapping[str, Value]) -> bool:
    """Without skips and batch normalisation."""
    return settings.get("batch_norm", "off") == "off" and settings.get("skip", "off") == "off"


def _clips(settings: Mapping[str, Value]) -> bool:
    """A ReLU critic's weights are clipped."""
    return settings.get("lipschitz") == "clip_weights" and settings.get("activation") == "relu"


def _activation(settings: Mapping[str, Value]) -> Activation | None:
    name = str(settings.get("activation"))
    return leaky_relu(_number(settings, "leaky_slope", 0.01)) if name == "leaky_relu" else ACTIVATIONS.get(name)


def _dense(layers: Sequence[Layer], settings: Mapping[str, Value], activation: Activation) -> list[float | None] | None:
    hidden = layers[:-1]
    drawn = _drawn(hidden, settings)
    if drawn is None:
        return None
    branch = {"scaled": 1 / math.sqrt(len(hidden)), "plain": 1.0}.get(str(settings.get("skip")), 0.0)
    norm = settings.get("batch_norm", "off")
    gamma = _number(settings, "norm_scale", 1.0) if norm == "on" else 1.0
    return [*theory.dense(activation, drawn, batch_norm=norm != "off", gamma=gamma, branch=branch), None]


def _convolutional(layers: Sequence[Layer], settings: Mapping[str, Value], activation: Activation) -> list[float | None] | None:
    """Plain ones only: with batch normalisation the maps' correlations matter, which the recursion does not follow."""
    hidden = layers[:-1]
    if not _plain(settings) or not hidden:
        return None
    drawn = _drawn(hidden, settings)
    if drawn is None:
        return None
    side, maps = IMAGE, []
    below = hidden[0].shape[0]
    for own, layer in zip(drawn, hidden, strict=True):
        stride = 2 if layer.shape[0] > below else 1
        side, below = (side + stride - 1) // stride, layer.shape[0]
        maps.append(Convolution(own, side, below, stride))
    return [*theory.convolutional(activation, IMAGE, maps), None]


def _recurrent(layers: Sequence[Layer], settings: Mapping[str, Value], activation: Activation) -> list[float | None] | None:
    times = [index for index, layer in enumerate(layers) if layer.kind == TIME_STEP]
    weights = [layer for layer in layers if len(layer.shape) == 2 and layer.shape[0] == layer.shape[1]]
    plain = settings.get("cell", "rnn") == "rnn" and settings.get("leaky_state", 1) == 1 and settings.get("layer_norm", "off") == "off"
    drawn = _drawn(weights[:1], settings)
    if not times or not plain or drawn is None:
        return None
    first, later = FIRST_SYMBOL
    logs = theory.recurrent(activation, drawn[0], [first] + [later] * (len(times) - 1))
    found: list[float | None] = [None] * len(layers)
    for index, log in zip(times, logs, strict=True):
        found[index] = log
    return found


def _critic(layers: Sequence[Layer], settings: Mapping[str, Value], activation: Activation) -> list[float | None] | None:
    """Weights drawn and then clamped to ±c: their variance is what counts, c² where nearly all are on the bound.

    The data's size does not matter to a ReLU; a skip or a normalisation would change what does.
    """
    rows = _critics_hidden(layers)
    clamped = _clamped_all(layers, rows, settings)
    if clamped is None or not _plain(settings):
        return None
    found: list[float | None] = [None] * len(layers)
    for index, log in zip(rows, theory.dense(activation, clamped), strict=True):
        found[index] = log
    return found


def _critics_hidden(layers: Sequence[Layer]) -> list[int]:
    return [index for index, layer in enumerate(layers) if layer.group == "critic"][:-1]


def _clamped_all(layers: Sequence[Layer], rows: Sequence[int], settings: Mapping[str, Value]) -> list[Initial] | None:
    drawn = _drawn([layers[index] for index in rows], settings)
    bound = _number(settings, "weight_clip", 0.01)
    return drawn and [_clamped(own, layers[index].shape[1], bound) for own, index in zip(drawn, rows, strict=True)]


def _clamped(drawn: Initial, inputs: int, bound: float) -> Initial:
    """Gaussian weights after clamping: E min(w², c²), for w ~ N(0, sigma_w²/inputs)."""
    deviation = drawn.sigma_w / math.sqrt(inputs)
    edge = bound / deviation
    inside = math.erf(edge / math.sqrt(2))
    density = math.exp(-(edge**2) / 2) / math.sqrt(2 * math.pi)
    square = deviation**2 * (inside - 2 * edge * density) + bound**2 * (1 - inside)
    return Initial(math.sqrt(inputs * square))


def _drawn(layers: Sequence[Layer], settings: Mapping[str, Value]) -> list[Initial] | None:
    drawn = [_initial(layer, settings) for layer in layers]
    known = [own for own in drawn if own is not None]
    return known if known and len(known) == len(drawn) else None


def _number(settings: Mapping[str, Value], key: str, default: float) -> float:
    value = settings.get(key, default)
    return default if isinstance(value, str) else float(value)


def _initial(layer: Layer, settings: Mapping[str, Value]) -> Initial | None:
    """sigma_w of a layer's weights, whose shape is (outputs, inputs, ...); None: not random, so theory has nothing to say."""
    if len(layer.shape) < 2:
        return None
    outputs, inputs = layer.shape[:2]
    match settings.get("init"):
        case "xavier":
            return Initial(math.sqrt(2 * inputs / (inputs + outputs)))
        case "he":
            return Initial(math.sqrt(2))
        case "lecun":
            return Initial(1.0)
        case "orthogonal" if inputs >= outputs:
            return Initial(1.0)
        case "gaussian":
            return Initial(_number(settings, "sigma_w", 1.0))
    return None
