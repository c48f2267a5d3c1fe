"""The doctor over a run: every fix with what it did, as the trials come in, and `enter` to put one in force.

The doctor is a process of its own, `gradtui doctor RUN --json`, as the trainer is: what it does to the machine's memory
and cores ends with this screen, which asks it to leave when it is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from gradtui.diagnose.words import inert, setting
from gradtui.stream.events import Hello, Value
from gradtui.stream.run_directory import RunDirectory
from gradtui.ui.help import FRAME
from gradtui.ui.lines import STYLES, Lines, Row
from gradtui.ui.scale import elide, wrapped

Fix = dict[str, Value]

COMMAND = (sys.executable, "-P", "-m", "gradtui", "doctor", "--json", "--seeds", "1")
LONGEST = 1 << 20
"""Bytes of one line."""
FIX_WIDTH, FIX_LEAST = 37, 12
DIALOG = 110
"""Cells of the dialog where the terminal has them, as the style sheet says."""
OUTCOMES = 22
"""Cells of the cursor's mark and of both outcomes."""

_MEASURED = {"loss": "Accuracy, or else the loss", "sw1": "How far the points are off"}
"""What the numbers are, by the diagnosis's `outcome`."""


def device_of(hello: Hello | None) -> str:
    """The run's own device, as `--device` names it; `auto` for a recording from a machine whose GPU is not this one's."""
    if hello is None or not hello.device.startswith(("cpu", "cuda")):
        return "auto"
    if hello.device.startswith("cpu"):
        return "cpu"
    return "cuda" if hello.host == socket.gethostname() else "auto"


class Findings:
    """What the doctor has said so far, best first."""

    def __init__(self) -> None:
        self.heading = "training it up to its warning …"
        self._meaning = ""
        self._trials = self._done = 0
        self._by_fix: dict[str, dict[str, dict[str, Any]]] = {}
        self._fixes: dict[str, Fix] = {}
        self._ranks: dict[str, int] = {}

    def take(self, line: dict[str, Any]) -> None:
        """One line of the doctor's JSON."""
        match line["type"]:
            case "diagnosis":
                codes = ", ".join(warning["code"] for warning in line["warnings"])
                self._trials = line["trials"]
                of = f" of attempt {line['attempts']}, the last" if line["attempts"] > 1 else ""
                step = f"step {line['step']:,}"
                self.heading = f"{codes or 'no warning'} at {step}{of}"
                self._meaning = f"rescue: in force from {step} on; prevent: from the first step. {_MEASURED[line['outcome']]}"
            case "trial":
                self._done += 1
                name = json.dumps(line["fix"])
                self._fixes[name] = line["fix"]
                self._by_fix.setdefault(name, {})[line["question"]] = line
            case "ranking" if line["question"] == "rescue" or not self._ranks:
                self._ranks = {json.dumps(row["fix"]): row["rank"] for row in line["rows"]}

    @property
    def progress(self) -> str:
        if not self._trials:
            return ""
        return f"{self._done} of {self._trials} trials" if self._done < self._trials else "all tried"

    @property
    def fixes(self) -> list[Fix]:
        """Best first, as far as is known; the empty one is doing nothing."""
        return [self._fixes[name] for name in self._order()]

    def about(self, width: int) -> list[Row]:
        """What the columns are, and their heads; nothing before there is anything to put in them."""
        if not self._trials:
            return []
        heads = f"  {'':<{_fix_width(width)}} {'rescue':>9} {'prevent':>9}"
        heads += "  still open after the rescue"[: max(0, width - len(heads))]
        lines = wrapped(self._meaning, max(1, width - 2), 10)
        return [*(((f"  {line}", "muted"),) for line in lines), ((heads, "muted"),)]

    def rows(self, cursor: int, width: int) -> list[Row]:
        """The fixes; the row under the cursor stands out."""
        fix_width = _fix_width(width)
        found: list[Row] = []
        for place, name in enumerate(self._order()):
            tried = self._by_fix[name]
            text = inert(" ".join(setting(key, value) for key, value in self._fixes[name].items())) or "nothing"
            outcomes = " ".join(f"{_outcome(tried.get(question)):>9}" for question in ("rescue", "prevent"))
            shown = tried.get("rescue") or tried["prevent"]
            said = inert(shown["error"]) or ", ".join(shown["open"]) or "–"
            style = "cursor" if place == cursor else "muted" if not self._fixes[name] else ""
            row = f"{'›' if place == cursor else ' '} {elide(text, fix_width):<{fix_width}} {outcomes}"
            room = width - len(row) - 2
            found.append(((row if room < 4 else f"{row}  {said if len(said) <= room else said[: room - 1] + '…'}", style),))
        return found

    def _order(self) -> list[str]:
        return sorted(self._by_fix, key=lambda name: (self._ranks.get(name, 0), *_badness(self._by_fix[name])))


def _fix_width(width: int) -> int:
    return max(FIX_LEAST, min(FIX_WIDTH, width - OUTCOMES))


def _badness(tried: dict[str, dict[str, Any]]) -> tuple[bool, bool, float, float]:
    shown = tried.get("rescue") or tried["prevent"]
    loss = float(shown["loss"])
    finite = math.isfinite(loss)
    return bool(shown["error"]), not finite, -float(shown["metrics"].get("accuracy", 0.0)) if finite else 0.0, loss if finite else 0.0


def _outcome(trial: dict[str, Any] | None) -> str:
    """What the fixes are ranked by: the accuracy where it is measured, else the loss."""
    if trial is None:
        return "…"
    if trial["error"]:
        return "–"
    loss, accuracy = float(trial["loss"]), trial["metrics"].get("accuracy")
    return f"{float(accuracy):.1%}" if accuracy is not None and math.isfinite(loss) else f"{loss:.4g}"


class DoctorScreen(ModalScreen[Fix | None]):
    """Tries every fix of a run; the answer is the one to put in force, or None."""

    COMPONENT_CLASSES: ClassVar[set[str]] = STYLES

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,R", "close", "Close", id="doctor.close", tooltip="Stop trying, change nothing."),
        Binding("enter", "apply", "Apply", id="doctor.apply", tooltip="Put the fix under the cursor in force."),
        Binding("down,j", "move(1)", "Down", id="doctor.down", show=False, tooltip="The next fix."),
        Binding("up,k", "move(-1)", "Up", id="doctor.up", show=False, tooltip="The fix before."),
    ]

    def __init__(self, run: RunDirectory, device: str, command: Sequence[str] = COMMAND) -> None:
        super().__init__()
        self._command = [*command, "--device", device, str(run.path)]
        self._process: asyncio.subprocess.Process | None = None
        self._findings = Findings()
        self._picked: Fix | None = None
        """What a person moved to; None: whatever is best."""
        self._said = ""
        self._above: list[Row] = []
        """The rows over the fixes."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog", id="doctor"):
            yield Lines(id="title")
            yield Lines(id="content")

    @property
    def _cursor(self) -> int:
        """Where what was moved to stands now: every trial that comes in may sort the fixes anew."""
        fixes = self._findings.fixes
        return fixes.index(self._picked) if self._picked in fixes else 0

    def on_mount(self) -> None:
        self._show()
        self.run_worker(self._ask(), exclusive=True)

    async def _ask(self) -> None:
        """Run the doctor to its end, showing what it says as it says it."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST,
        )
        try:
            assert self._process.stdout is not None
            assert self._process.stderr is not None
            async for line in self._process.stdout:
                self._findings.take(json.loads(line))
                self._show()
            said = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()
            self._said = inert(said[-1].removeprefix("gradtui: ")) if said else ""
            await self._process.wait()
            self._show()
        finally:
            self._stop()

    def _stop(self) -> None:
        """Ask the doctor to leave; it takes its workers with it."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def on_unmount(self) -> None:
        self._stop()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        width = min(DIALOG, self.app.size.width) - FRAME
        told = " · ".join(filter(None, (self._said or self._findings.heading, self._findings.progress)))
        title: list[Row] = [((" Doctor", "strong"), ("  arrows choose, enter applies", "muted")), ((" escape closes", "muted"),)]
        if width >= 50:
            title = [(*title[0], (", escape closes", "muted"))]
        title += [((f" {line}", "muted"),) for line in wrapped(told, max(1, width - 1), 10)]
        self._above = self._findings.about(width)
        for id, rows in (("#title", title), ("#content", [*self._above, *self._findings.rows(self._cursor, width)])):
            lines = self.query_one(id, Lines)
            lines.styles.height = len(rows)
            lines.put(rows)

    def on_resize(self) -> None:
        self._show()

    def action_move(self, by: int) -> None:
        if fixes := self._findings.fixes:
            self._picked = fixes[min(max(self._cursor + by, 0), len(fixes) - 1)]
        self._show()
        self.query_one("#doctor").scroll_to(y=self._cursor + len(self._above) - 2, animate=False)

    def action_apply(self) -> None:
        if fixes := self._findings.fixes:
            self.dismiss(fixes[self._cursor])

    def action_close(self) -> None:
        self.dismiss(None)
