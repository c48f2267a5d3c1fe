"""Without the library of an adapter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import environment


@pytest.mark.parametrize(
    ("adapter", "missing"), [("lightning", ("lightning", "lightning.pytorch", "pytorch_lightning")), ("transformers", ("transformers",))]
)
def test_one_line_names_the_extra(tmp_path: Path, adapter: str, missing: tuple[str, ...]) -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys({missing!r})); import gradtui.adapters.{adapter}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(tmp_path))
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: gradtui.adapters.{adapter} needs")
    assert last.endswith(f"pip install 'gradtui[{adapter}]'")
