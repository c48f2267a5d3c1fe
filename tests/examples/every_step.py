"""Runs an example in a process of its own, with a frame on every step: `python -m tests.examples.every_step RUN_DIR FILE ARGUMENT…`."""

from __future__ import annotations

import runpy
import sys

import gradtui
from tests.examples.example import EveryStep

if __name__ == "__main__":
    _, path, file, *arguments = sys.argv
    sys.argv = [file, *arguments]
    gradtui.watch = EveryStep(path)
    runpy.run_path(file, run_name="__main__")
