"""The panels of a run's screen: which there are, where they stand, and how the rows are shared between them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.widgets import Footer

from gradtui.ui.bars import LayerBars
from gradtui.ui.history import HistoryPanel
from gradtui.ui.lines import Lines
from gradtui.ui.log_pane import LogPane
from gradtui.ui.scale import wrapped
from gradtui.ui.toggles import TogglesPanel


class Panels:
    """The status line over two columns, what is measured and what can be done about it, and the footer."""

    def __init__(self, printed: Callable[[], list[str]], *, ascii: bool) -> None:
        """`printed`: the lines that the recording has of what the trainer printed."""
        self.status = Lines(id="status")
        self.bars = LayerBars(id="bars")
        self.summary = Lines(id="summary")
        self.history = HistoryPanel(ascii=ascii, id="history")
        self.log = LogPane(printed, id="log")
        self.toggles = TogglesPanel(id="toggles")
        self.warnings = Lines(id="warnings")
        self._guide = Lines(id="guide")
        self._toggles_title = Lines(id="toggles-title")
        self._left = Vertical(id="left")
        self._side = Vertical(id="side")

    def compose(self) -> ComposeResult:
        """The status line and empty columns: that much is on the screen at once."""
        yield self.status
        yield Horizontal(self._left, self._side, id="main")
        yield Footer()

    async def furnish(self, log: Path) -> None:
        """Put the panels into the columns, which takes longer to style and lay out than all before."""
        self.log.follow(log)
        warnings_title = Lines(id="warnings-title")
        warnings_title.put([((" warnings", "title"),)])
        await self._left.mount(self.bars, self.summary, self._guide, self.history, self.log)
        await self._side.mount(self._toggles_title, self.toggles, warnings_title, self.warnings)
        self.bars.focus()

    def entitle(self, how: str) -> None:
        """Say over the toggles how they can be changed."""
        self._toggles_title.put([((" toggles", "title"), (how, "muted"))])

    def fit(self, screen: Size, remark: str) -> None:
        """Share the rows: the guide gets what its remark needs, the bars what the network needs, and the history at least its least."""
        tiny = screen.width < 60 or screen.height < 16
        wide = screen.width >= 100 and not tiny
        self.bars.asked.few = tiny
        self.toggles.styles.height = max(3, min(self.toggles.count, screen.height // 2 - 2)) if wide else 3
        told = [] if tiny else wrapped(remark, max(1, self._left.size.width - 4), 6)
        self._guide.styles.height = len(told)
        self._guide.put([((" ┃ ", "key"), (line, "")) for line in told])
        room = self._left.size.height - 1 - len(told)
        least = 8 if wide else 4 if self.log.display or not tiny else 0
        self.bars.styles.height = max(2, min(self.bars.row_count + 1, room - least))
        self.bars.rearrange()

    def turn_to_log(self) -> None:
        """Show what the trainer printed in place of the history, or the history again."""
        self.log.display = not self.log.display
        self.history.display = not self.log.display
        (self.log if self.log.display else self.bars).focus()
