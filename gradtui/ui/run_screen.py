"""The screen over one run: follows its events, shows what is measured and what is wrong, and sends what a person asks."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer

from gradtui.diagnose.history import Point
from gradtui.diagnose.words import full_name, inert
from gradtui.stream.events import Frame
from gradtui.ui import detail, fixes, measures, status, theory, toggles, verbs, warnings
from gradtui.ui import life as lives
from gradtui.ui.bars import LayerBars
from gradtui.ui.beside import Beside
from gradtui.ui.controls import Controls
from gradtui.ui.doctor import DoctorScreen, device_of
from gradtui.ui.feed import Feed, News, Source
from gradtui.ui.gpu import Gpu
from gradtui.ui.help import TextScreen
from gradtui.ui.life import Life
from gradtui.ui.lines import Row
from gradtui.ui.panels import Panels
from gradtui.ui.prompt import Prompt
from gradtui.ui.verbs import Commanding
from gradtui.ui.watched import Restart, Watched

PERIOD = 0.1
"""Seconds between two looks at the run: the bars' frame rate."""

TEXTS = 4
"""Looks between two repaints of numbers in text: faster than that nobody reads them, and they cost as much as the bars."""

CURVES = 8
"""Looks between two drawings of the history, which are dear: half way between two repaints of numbers, so that no key waits for both."""

SETTLED = 3.0
"""Seconds after which everything that a run's screen needs has been imported and made."""


class RunScreen(Commanding):
    """One run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *verbs.KEYS,
        Binding("m", "measure(1)", "Measure", id="run.measure", tooltip="What the bars show: delta, weight gradient, update ratio …"),
        Binding("M", "measure(-1)", "Measure back", id="run.measure.back", show=False, tooltip="What the bars showed before."),
        Binding("slash", "filter", "Filter", id="run.filter", show=False, tooltip="Show only layers whose name contains a text."),
        Binding("l", "log", "Log", id="run.log", tooltip="What the trainer printed."),
        Binding("R", "doctor", "Doctor", id="run.doctor", show=False, tooltip="Try every fix and rank them by what they did."),
        Binding("exclamation_mark", "explain", "Explain", id="run.explain", tooltip="All that is wrong, in full, and what it means."),
        Binding(
            fixes.KEY, "fix", "Fix", id="run.fix", show=False, tooltip="Set what the open warnings suggest; where they differ: choose one."
        ),
        *toggles.hotkeys(),
    ]

    def __init__(self, watched: Watched, *, restart: Restart | None = None, ascii: bool = False) -> None:
        super().__init__()
        self.watched = watched
        self.life = Life("STARTING")
        self.feed: Source = watched.player or Feed(watched.run)
        self._beside = Beside(watched.run, watched.against) if watched.against else None
        self.controls = Controls(watched.run)
        self._restart = restart
        self._restarting = False
        self.looks = 0
        self._soon: Timer | None = None
        self._stale = False
        self._caught_up = False
        """All there was has been read: what is answered from now on is news."""
        self._told_of_lines = False
        self._gpu: Gpu | None = None
        self._gpu_text = ""
        self._detail: tuple[TextScreen, int] | None = None
        self._first: Frame | None = None
        self._remark = ""
        self._panels = Panels(lambda: list(self.feed.state.log), ascii=ascii)

    def compose(self) -> ComposeResult:
        yield from self._panels.compose()

    def on_mount(self) -> None:
        self._panels.status.put(self._status_rows(self.app.size.width))
        self.call_after_refresh(self._furnish)

    async def _furnish(self) -> None:
        """Put the panels in, once the status line is on the screen."""
        self._entitle()
        await self._panels.furnish(self.watched.run.trainer_log)
        self._fit()
        self.set_interval(PERIOD, self.look)
        self.call_after_refresh(self.look)

    def _entitle(self) -> None:
        hello = self.feed.state.hello
        how = "" if hello and not hello.toggles else "  press the key to change one" if self.changeable else "  as they stood"
        self._panels.entitle(how)

    # Following the run

    def look(self) -> None:
        """Read what is new and show it."""
        news = self.feed.poll()
        news.count += self._beside.look() if self._beside else 0
        self.looks += 1
        before, self.life = self.life, self.living()
        turned = before.word != self.life.word
        if news.hello:
            self._begin()
        elif turned:
            self._entitle()
            self.refresh_bindings()
        self.hear(news.applied, aloud=self._caught_up)
        if self._soon:
            self._soon.stop()  # else every look by the clock would begin another row of looks, and keys wait for them all
        behind = self.feed.behind or (self._beside is not None and self._beside.behind)
        self._soon = self.set_timer(0.005, self.look) if behind else None
        self._caught_up |= not behind
        if not behind and not self._told_of_lines and (told := self.feed.passed_over):
            self._told_of_lines = True
            self.tell(inert(told))
        self._repaint(news, turned)

    def living(self) -> Life:
        """In what state the run is now."""
        feed = self.feed
        return lives.life(feed.state, self.watched.trainer, feed.silent_for, behind=feed.behind, restarting=self._restarting)

    def _begin(self) -> None:
        """A run begins, or begins again."""
        hello = self.feed.state.hello
        self.controls.forget()
        self._restarting = False
        self._panels.history.forget()
        if hello is None:
            return
        self._panels.bars.describe(hello.layers)
        self._panels.toggles.describe(hello.toggles)
        self._entitle()
        self._gpu = Gpu(hello)
        self.refresh_bindings()
        self._fit()
        self.set_timer(SETTLED, gc.freeze)  # else now and then a full collection walks all of Textual: a key waits 70 ms for it

    def _repaint(self, news: News, turned: bool) -> None:
        """Show what is new: the bars at once, numbers and curves less often, and everything once it is quiet.

        `turned`: the run is in another state, which the footer has by now and the status line must not contradict."""
        state = self.feed.state
        fresh = news.count > 0
        settled = self._stale and not fresh
        self._stale = fresh
        texts = self.looks % TEXTS == 0 or settled
        if state.first is not self._first:
            self._first = state.first
            self._panels.bars.drawing.theory = theory.profile(state.hello, state.first) if state.hello and state.first else []
        if self._remark != self._due_remark():
            self._fit()
        if fresh or settled:
            self._panels.bars.show(state.frame, self._ghost(), warnings.flags(state.open))
            self._panels.bars.repaint(figures=texts)
        if texts or turned or news.applied or news.hello:
            self.show_texts()
        if self.looks % CURVES == TEXTS // 2 or settled:
            self._panels.history.show(state.history, self._losses)
            self._gpu_text = self._gpu.read() if self._gpu else ""
            if self._panels.log.display:
                self._panels.log.poll()

    def show_texts(self) -> None:
        """Status, summary, warnings, toggles and an open layer's numbers, as they are now."""
        state, panels = self.feed.state, self._panels
        panels.status.put(self._status_rows(panels.status.size.width))
        panels.summary.put([status.summary_row(state, panels.bars.drawing.theory, panels.summary.size.width)])
        room = panels.warnings.size
        panels.warnings.put(warnings.rows(state, self.life, room.width, room.height, changeable=self.changeable))
        panels.toggles.show(state.settings, self.controls.pending, self.controls.refused)
        panels.history.head(state.history, self._losses)
        if self._detail and self._detail[0].is_current:
            self._detail[0].show(partial(self._detail_rows, self._detail[1]))

    def _status_rows(self, width: int) -> list[Row]:
        return status.status_rows(self.feed.state, self.life, self._gpu_text, width, self.watched.run.name)

    def on_screen_resume(self) -> None:
        self.on_resize()  # what it was while a dialog lay over this screen is not laid out until now

    def on_resize(self) -> None:
        if self._panels.bars.is_attached:
            self.refresh_bindings()  # the footer has room for more keys, or for fewer
            self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """Share the rows between the panels, and show everything in what each has got."""
        self._remark = self._due_remark()
        self._panels.fit(self.size, self._remark)
        self.call_after_refresh(self.show_all)

    def _ghost(self) -> Frame | None:
        """Where the bars' marks are: at the other run's profile of this step, or at the one before the last toggle."""
        state = self.feed.state
        if self._beside is None:
            return state.ghost
        return self._beside.ghost(state.hello.layers, state.frame.step) if state.hello and state.frame else None

    @property
    def _losses(self) -> Sequence[Point]:
        """The other run's, where there is one."""
        return self._beside.losses if self._beside else ()

    def _due_remark(self) -> str:
        """Where two runs part; or what the guide says now, of the first attempt only: what follows is a person's own."""
        if self._beside:
            return self._beside.told()
        frame = self.feed.state.frame
        return inert(self.watched.remark(frame.step)) if frame and not self.feed.state.attempt else ""

    def show_all(self) -> None:
        """Show everything as it is now."""
        state = self.feed.state
        self._panels.bars.show(state.frame, self._ghost(), warnings.flags(state.open))
        self._panels.bars.repaint(figures=True)
        self._panels.history.show(state.history, self._losses)
        self.show_texts()

    # Keys

    def action_measure(self, by: int) -> None:
        bars = self._panels.bars
        at = measures.MEASURES.index(bars.drawing.measure)
        bars.choose(measures.MEASURES[(at + by) % len(measures.MEASURES)])
        self.call_after_refresh(self.show_all)

    def action_filter(self) -> None:
        bars = self._panels.bars
        before = bars.asked.filter

        def done(text: str | None) -> None:
            if text is None:
                bars.refilter(before)

        self.app.push_screen(Prompt("Show layers whose name contains (empty: all)", before, changed=bars.refilter), done)

    def clear_filter(self) -> bool:
        """Show all layers again; False: they are shown already."""
        bars = self._panels.bars
        if not bars.asked.filter:
            return False
        bars.refilter("")
        return True

    def action_log(self) -> None:
        self._panels.turn_to_log()
        self._fit()  # a small screen has no rows for it otherwise
        self.call_after_refresh(self._panels.log.poll)

    def action_explain(self) -> None:
        from gradtui.ui.pages import PagesScreen  # here: a screen that starts needs no pages

        self.app.push_screen(PagesScreen(warnings.items(self.feed.state, self.life, changeable=self.changeable)))

    def action_doctor(self) -> None:
        if why_not := self.why_not("doctor"):
            self.tell(why_not)
            return
        self.app.push_screen(DoctorScreen(self.watched.run, device_of(self.feed.state.hello)), self.put)

    @on(LayerBars.Picked)
    def _open_layer(self, picked: LayerBars.Picked) -> None:
        hello = self.feed.state.hello
        if hello:
            screen = TextScreen(inert(full_name(hello.layers[picked.index])), partial(self._detail_rows, picked.index))
            self._detail = (screen, picked.index)
            self.app.push_screen(screen)

    def _detail_rows(self, index: int, width: int) -> list[Row]:
        hello = self.feed.state.hello
        if hello is None or index >= len(hello.layers):
            return []
        return detail.rows(hello.layers[index], self.feed.state.frame, index, theory.point(self._panels.bars.drawing.theory, index), width)
