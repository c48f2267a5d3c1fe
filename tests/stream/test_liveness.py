"""Whether a trainer that said no last word still lives."""

from __future__ import annotations

import os
import socket
import sys
import time

import msgspec
import pytest

from gradtui.stream.events import Hello
from gradtui.stream.liveness import birth, gone
from tests.ui import recordings as rec


def hello(pid: int, host: str, born: int | None) -> Hello:
    return msgspec.structs.replace(rec.hello(rec.layers(3)), pid=pid, host=host, born=born)


@pytest.fixture
def ended() -> int:
    """The number of a process that is no more."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_a_process_that_ended_on_this_host_is_gone(ended: int) -> None:
    assert gone(hello(ended, socket.gethostname(), None))


def test_of_another_host_nothing_can_be_known(ended: int) -> None:
    assert not gone(hello(ended, "compute-7", None))
    assert not gone(hello(os.getpid(), "compute-7", 1)), "the same number here is another process"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are dated by /proc")
def test_a_number_that_was_given_to_another_process_is_gone_too() -> None:
    born = birth(os.getpid())
    assert born
    assert not gone(hello(os.getpid(), socket.gethostname(), born))
    assert gone(hello(os.getpid(), socket.gethostname(), born - 1))


@pytest.mark.skipif(sys.platform != "linux", reason="zombies are seen in /proc")
def test_a_zombie_is_gone() -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(0.1)
        os._exit(0)
    born = birth(pid)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert gone(hello(pid, socket.gethostname(), born))
    os.waitpid(pid, 0)


def test_setting_the_clock_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    alive = hello(os.getpid(), socket.gethostname(), birth(os.getpid()))
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert not gone(alive)
