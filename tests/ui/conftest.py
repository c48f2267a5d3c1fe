"""Makes Textual's pilot quick: it naps for 20 ms at a time until the process idles, and most of these tests are such naps."""

import pytest
from textual import _wait

NAP = 0.004


@pytest.fixture(autouse=True)
def short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the nap, and of the work within it that passes for idleness."""
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", NAP)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", NAP / 20)
    monkeypatch.setattr(_wait.wait_for_idle, "__defaults__", (NAP, 1))
