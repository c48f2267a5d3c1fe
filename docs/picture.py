"""Makes the README's picture from a real training: deep-sigmoid, a moment after batch normalisation was switched on.

python docs/picture.py [FILE.svg]
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from gradtui import launch
from gradtui.cli_run import Flags, make_spec
from gradtui.lab.scenario import load
from gradtui.stream import run_directory
from gradtui.ui import terminal

SWITCHED = 200
TAKEN = 222
"""Steps: batch normalisation is switched on, and the picture taken."""


async def taken(where: Path) -> str:
    """The screen as SVG."""
    from gradtui.ui.app import GradApp, Watched

    spec = make_spec(Flags(scenario="deep-sigmoid", device="cpu", every=6, at=[f"{SWITCHED}:batch_norm=on"]), load("deep-sigmoid"))
    run = run_directory.create(spec.name, where)
    trainer = launch.start(spec, run)
    app = GradApp(Watched(run, trainer))
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            while not (screen := app.run_screen) or not (frame := screen.feed.state.frame) or frame.step < TAKEN:
                await pilot.pause(0.02)
            screen.show_all()
            await pilot.pause()
            return app.export_screenshot(title="gradtui run deep-sigmoid")
    finally:
        trainer.stop()


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("screen.svg")
    os.environ |= {"COLORTERM": "truecolor", "TERM": "xterm-256color"}
    os.environ.pop("NO_COLOR", None)
    terminal.prepare(os.environ)
    with tempfile.TemporaryDirectory() as place:
        svg = asyncio.run(taken(Path(place) / "run"))
    target.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
