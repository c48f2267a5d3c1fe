"""The screen over one run: follows its events, shows what is measured and what is wrong, and sends what a person asks."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer

from gradtui.diagnose.words import inert
from gradtui.stream.events import Toggle, Value
from gradtui.stream.run_directory import RunDirectory, RunError
from gradtui.ui import detail, measures, status, toggles, warnings
from gradtui.ui import life as lives
from gradtui.ui.bars import LayerBars
from gradtui.ui.controls import Controls
from gradtui.ui.feed import Feed, News
from gradtui.ui.gpu import Gpu
from gradtui.ui.help import TextScreen
from gradtui.ui.history import HistoryPanel
from gradtui.ui.life import Life, Trainer
from gradtui.ui.lines import Lines, Row
from gradtui.ui.log_pane import LogPane
from gradtui.ui.prompt import Prompt
from gradtui.ui.scale import setting
from gradtui.ui.toggles import TogglesPanel

PERIOD = 0.1
"""Seconds between two looks at the run: the bars' frame rate."""

TEXTS = 4
"""Looks between two repaints of numbers in text: faster than that nobody reads them, and they cost as much as the bars."""

CURVES = 8
"""Looks between two drawings of the history, which are dear: half way between two repaints of numbers, so that no key waits for both."""

SETTLED = 3.0
"""Seconds after which everything that a run's screen needs has been imported and made."""


@dataclass(frozen=True)
class Watched:
    """A run to show; `trainer` is None for a run that somebody else started."""

    run: RunDirectory
    trainer: Trainer | None = None


Restart = Callable[[RunDirectory, dict[str, Value]], Trainer]
"""Starts a new trainer over a run directory with these settings. Raises RunError."""


class RunScreen(Screen[None]):
    """One run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", id="run.pause", tooltip="Pause the training, or let it go on."),
        Binding("full_stop", "step", "Step", id="run.step", tooltip="Train one step, then pause."),
        Binding("r", "restart", "Restart", id="run.restart", tooltip="Begin again: the same seed, the toggles as they are."),
        Binding("m", "measure(1)", "Measure", id="run.measure", tooltip="What the bars show: delta, weight gradient, update ratio …"),
        Binding("M", "measure(-1)", "Measure back", id="run.measure.back", show=False, tooltip="What the bars showed before."),
        Binding("slash", "filter", "Filter", id="run.filter", show=False, tooltip="Show only layers whose name contains a text."),
        Binding("l", "log", "Log", id="run.log", tooltip="What the trainer printed."),
        *toggles.hotkeys(),
    ]

    def __init__(self, watched: Watched, *, restart: Restart | None = None, ascii: bool = False) -> None:
        super().__init__()
        self.watched = watched
        self.life = Life("STARTING")
        self.feed = Feed(watched.run)
        self.controls = Controls(watched.run)
        self._restart = restart
        self._restarting = False
        self.looks = 0
        self._stale = False
        self._gpu: Gpu | None = None
        self._gpu_text = ""
        self._detail: tuple[TextScreen, int] | None = None
        self._bars = LayerBars(id="bars")
        self._history = HistoryPanel(ascii=ascii, id="history")
        self._status = Lines(id="status")
        self._summary = Lines(id="summary")
        self._warnings = Lines(id="warnings")
        self._toggles = TogglesPanel(id="toggles")
        self._log = LogPane(id="log")

    def compose(self) -> ComposeResult:
        yield self._status
        with Horizontal(id="main"):
            yield Vertical(self._bars, self._summary, self._history, self._log, id="left")
            yield Vertical(Lines(id="toggles-title"), self._toggles, Lines(id="warnings-title"), self._warnings, id="side")
        yield Footer()

    def on_mount(self) -> None:
        self._log.follow(self.watched.run.trainer_log)
        self.query_one("#toggles-title", Lines).put([((" toggles", "title"), ("  press the key to change one", "muted"))])
        self.query_one("#warnings-title", Lines).put([((" warnings", "title"),)])
        self._bars.focus()
        self.set_interval(PERIOD, self.look)
        self.call_after_refresh(self.look)

    # Following the run

    def look(self) -> None:
        """Read what is new and show it."""
        news = self.feed.poll()
        self.looks += 1
        self.life = lives.life(
            self.feed.state, self.watched.trainer, self.feed.silent_for, behind=self.feed.behind, restarting=self._restarting
        )
        if news.hello:
            self._begin()
        for applied in news.applied:
            text, severity = self.controls.answer(applied)
            if text:
                self.tell(text, severity)
        if self.feed.behind:
            self.set_timer(0.005, self.look)
        self._repaint(news)

    def _begin(self) -> None:
        """A run begins, or begins again."""
        hello = self.feed.state.hello
        self.controls.forget()
        self._restarting = False
        self._history.forget()
        if hello is None:
            return
        self._bars.describe(hello.layers)
        self._toggles.describe(hello.toggles)
        self._gpu = Gpu(hello)
        self.refresh_bindings()
        self._fit()
        self.set_timer(SETTLED, gc.freeze)  # else now and then a full collection walks all of Textual: a key waits 70 ms for it

    def _repaint(self, news: News) -> None:
        """Show what is new: the bars at once, numbers and curves less often, and everything once it is quiet."""
        state = self.feed.state
        fresh = news.count > 0
        settled = self._stale and not fresh
        self._stale = fresh
        texts = self.looks % TEXTS == 0 or settled
        if fresh or settled:
            self._bars.show(state.frame, state.ghost, warnings.flags(state.open))
            self._bars.repaint(figures=texts)
        if texts or news.applied or news.hello:
            self.show_texts()
        if self.looks % CURVES == TEXTS // 2 or settled:
            self._history.show(state.history)
            self._gpu_text = self._gpu.read() if self._gpu else ""
            if self._log.display:
                self._log.poll(list(state.log))

    def show_texts(self) -> None:
        """Status, summary, warnings, toggles and an open layer's numbers, as they are now."""
        state = self.feed.state
        self._status.put(status.status_rows(state, self.life, self._gpu_text, self._status.size.width))
        self._summary.put([status.summary_row(state, self._summary.size.width)])
        self._warnings.put(warnings.rows(state, self.life, self._warnings.size.width, self._warnings.size.height))
        self._toggles.show(state.settings, self.controls.pending, self.controls.refused)
        if self._detail and self._detail[0].is_current:
            self._detail[0].show(self._detail_rows(self._detail[1]))

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Share the rows between bars and history: the bars get what the network needs, the history at least its least."""
        tiny = self.size.width < 60 or self.size.height < 16
        self._bars.worst_first = tiny
        wide = self.size.width >= 100 and not tiny
        self._toggles.styles.height = max(3, min(self._toggles.count, self.size.height // 2 - 2)) if wide else 3
        room = self.query_one("#left").size.height - 1
        least = 0 if tiny else 8 if wide else 4
        self._bars.styles.height = max(2, min(self._bars.row_count + 1, room - least))
        self._bars.refilter(self._bars.filter)
        self.call_after_refresh(self._show_all)

    def _show_all(self) -> None:
        state = self.feed.state
        self._bars.show(state.frame, state.ghost, warnings.flags(state.open))
        self._bars.repaint(figures=True)
        self._history.show(state.history)
        self.show_texts()

    def tell(self, text: str, severity: str = "warning") -> None:
        """Say something in passing."""
        self.notify(text, severity="warning" if severity == "warning" else "information", markup=False)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "press":
            return self._toggle_of(str(parameters[0])) is not None
        return True

    @property
    def training(self) -> bool:
        """A trainer that this viewer started is at work."""
        return self.watched.trainer is not None and self.watched.trainer.alive and not self.life.over

    def action_pause(self) -> None:
        self._do("resume" if self.feed.state.paused else "pause")

    def action_step(self) -> None:
        self._do("step")

    def action_restart(self) -> None:
        if not self.life.over:
            self._do("restart")
        elif self._restart is None:
            self.tell("this run is over, and this viewer did not start it: gradtui run starts another")
        else:
            try:
                trainer = self._restart(self.watched.run, self.feed.state.settings | self.controls.pending)
            except RunError as error:
                self.tell(inert(str(error)))
                return
            self.watched = replace(self.watched, trainer=trainer)
            self._restarting = True

    def _do(self, verb: str) -> None:
        problem = "the run is over; r starts it again" if self.life.over else self.controls.do(verb)
        if problem:
            self.tell(problem)

    def action_press(self, hotkey: str, direction: int) -> None:
        toggle = self._toggle_of(hotkey)
        if toggle:
            self._change(toggle, direction, scale=False)

    @on(TogglesPanel.Asked)
    def _asked(self, asked: TogglesPanel.Asked) -> None:
        self.change(asked.key, asked.direction, scale=asked.scale)

    def change(self, key: str, direction: int, *, scale: bool = False) -> None:
        """Change the toggle `key`: to its next choice or the one before; a number is asked for, or scaled."""
        hello = self.feed.state.hello
        toggle = next((toggle for toggle in hello.toggles if toggle.key == key), None) if hello else None
        if toggle:
            self._change(toggle, direction, scale=scale)

    def _toggle_of(self, hotkey: str) -> Toggle | None:
        hello = self.feed.state.hello
        return next((toggle for toggle in hello.toggles if toggle.hotkey == hotkey), None) if hello else None

    def _change(self, toggle: Toggle, direction: int, *, scale: bool) -> None:
        now = self.controls.pending.get(toggle.key, self.feed.state.settings.get(toggle.key, toggle.value))
        if not toggle.applies:
            self.tell(f"{inert(toggle.label)} does not apply: {inert(toggle.reason)}")
        elif toggle.choices:
            self._set(toggle, toggles.following(toggle, now, direction))
        elif scale and not isinstance(now, str):
            self._set(toggle, toggles.scaled(toggle, now, direction))
        else:
            self._ask_number(toggle, now)

    def _ask_number(self, toggle: Toggle, now: Value) -> None:
        def check(text: str) -> str:
            value = toggles.typed(toggle, text)
            return value if isinstance(value, str) else ""

        def answered(text: str | None) -> None:
            value = toggles.typed(toggle, text) if text is not None else ""
            if not isinstance(value, str):
                self._set(toggle, value)

        self.app.push_screen(Prompt(f"{inert(toggle.label)}: a number, then enter", setting(now), check=check), answered)

    def _set(self, toggle: Toggle, value: Value) -> None:
        if self.life.over:
            if self._restart is None:
                self.tell("the run is over, nothing obeys any more")
                return
            self.controls.plan(toggle.key, value)
        elif problem := self.controls.set(toggle.key, value):
            self.tell(problem)
        self.show_texts()

    def action_measure(self, by: int) -> None:
        at = measures.MEASURES.index(self._bars.measure)
        self._bars.choose(measures.MEASURES[(at + by) % len(measures.MEASURES)])
        self.call_after_refresh(self._show_all)

    def action_filter(self) -> None:
        before = self._bars.filter

        def done(text: str | None) -> None:
            if text is None:
                self._bars.refilter(before)

        self.app.push_screen(Prompt("Show layers whose name contains (empty: all)", before, changed=self._bars.refilter), done)

    def clear_filter(self) -> bool:
        """Show all layers again; False: they are shown already."""
        if not self._bars.filter:
            return False
        self._bars.refilter("")
        return True

    def action_log(self) -> None:
        self._log.display = not self._log.display
        self._history.display = not self._log.display
        self._log.poll(list(self.feed.state.log))

    @on(LayerBars.Picked)
    def _open_layer(self, picked: LayerBars.Picked) -> None:
        hello = self.feed.state.hello
        if hello:
            screen = TextScreen(inert(hello.layers[picked.index].name), self._detail_rows(picked.index))
            self._detail = (screen, picked.index)
            self.app.push_screen(screen)

    def _detail_rows(self, index: int) -> list[Row]:
        hello = self.feed.state.hello
        return detail.rows(hello.layers[index], self.feed.state.frame, index) if hello and index < len(hello.layers) else []
