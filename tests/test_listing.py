"""What `gradtui runs` tells of a recording by its two ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gradtui.listing import recorded
from tests.diagnose.streams import frame, hello
from tests.ui.recordings import write


@pytest.mark.parametrize(
    ("scenario", "told"), [({"name": "deep", "model": "mlp"}, ("deep", False)), ({"name": "mine", "watched": True}, ("", True))]
)
def test_a_watched_training_is_no_scenario(tmp_path: Path, scenario: dict[str, Any], told: tuple[str, bool]) -> None:
    found = recorded(write(tmp_path, [hello(scenario=scenario), frame(0)]))
    assert (found.scenario, found.watched) == told
