"""Words for what is measured: layer ranges, decades, and a warning in one line, for the screen and headless alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradtui.diagnose.warnings import Try, Warning
from gradtui.stream.events import Layer, Value


def inert(text: str) -> str:
    """`text` from outside with what a terminal would obey (escape sequences, line breaks) spelled out: `\\x1b[31m`."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def full_name(layer: Layer) -> str:
    """A layer's name, after that of its network where there are several: `critic hidden.0`."""
    return f"{layer.group} {layer.name}" if layer.group else layer.name


def spoken(name: str) -> str:
    """A layer's full name as a sentence can say it. `nn.Sequential` names its layers by numbers: `layer 0`, `critic layer 0`."""
    network, own = _parts(name)
    return " ".join(filter(None, (network, f"layer {own}" if _NUMBER.fullmatch(own) else own)))


def span_of(names: Sequence[str]) -> str:
    """Layers that follow each other, shortly: `hidden.0–hidden.2`, `critic hidden.0–hidden.2`, `layers 0–2`; empty for none."""
    if len(names) < 2:
        return "".join(map(spoken, names))
    (network, first), (other, last) = _parts(names[0]), _parts(names[-1])
    if network != other:
        return f"{spoken(names[0])}–{spoken(names[-1])}"
    if _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last):
        return " ".join(filter(None, (network, f"layers {first}–{last}")))
    return f"{spoken(names[0])}–{spoken(last)}"


def listed(names: Sequence[str]) -> str:
    """The first three, and a sign where there are more."""
    return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")


_NUMBER = re.compile(r"\d+(\.\d+)*")


def _parts(name: str) -> tuple[str, str]:
    """The network, empty where there is one only, and the layer's own name, both inert."""
    network, _, own = name.rpartition(" ")
    return inert(network), inert(own)


def label(code: str) -> str:
    """A warning's code as a heading: `UPDATE TOO LARGE`; a hyphen that belongs to the word stays."""
    return code.upper().replace("-", " ").replace("NON ", "NON-")


def setting(key: str, value: Value) -> str:
    """A toggle setting as the command line takes it: `batch_norm=on`."""
    return f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"


def together(fix: Try) -> str:
    """All that a fix sets, as the command line takes it: `optimizer=adam lr=0.001`."""
    return " ".join(setting(key, value) for key, value in fix.settings.items())


def suggestion(first: Try) -> str:
    """`try optimizer=adam and lr=0.001, then restart`: settings as the command line takes them, and what else it takes."""
    shown = " and ".join(inert(setting(key, value)) for key, value in first.settings.items())
    return f"try {shown}{', then restart' if first.after_restart else ''}"


def short(warning: Warning) -> str:
    """The warning in one line: state, code, layers, evidence and the first thing to try."""
    head = " ".join(filter(None, (_news(warning) + label(warning.code), span_of(warning.layers))))
    line = f"{head}: {warning.evidence.brief}"
    if warning.try_ and warning.state in ("opened", "escalated"):
        line += f"; {suggestion(warning.try_[0])}"
    return line


def _news(warning: Warning) -> str:
    """What is new about a warning that was open before. One that is graver need not have a worse number: it may have lasted."""
    match warning.state:
        case "closed":
            return "closed: "
        case "mitigated":
            return f"mitigated by {warning.mitigated}: "
        case "escalated":
            return _RISEN[warning.severity]
    return ""


_RISEN = {"information": "no longer mitigated: ", "warning": "now a warning: ", "critical": "now critical: "}
"""By the severity that it has now; none rises to information."""


def signed(value: float) -> str:
    """Two decimals with their sign; what rounds to nothing has none."""
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def counted(number: int, what: str) -> str:
    """`1 frame`, `2,000 frames`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
