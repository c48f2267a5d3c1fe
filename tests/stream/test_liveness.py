"""Whether a trainer that said no last word still lives."""

from __future__ import annotations

import os
import socket
import sys
import time

import msgspec
import pytest

from gradtui.stream.events import Hello
from gradtui.stream.liveness import gone
from tests.ui import recordings as rec


def hello(pid: int, host: str, started: float) -> Hello:
    return msgspec.structs.replace(rec.hello(rec.layers(3)), pid=pid, host=host, started=started)


@pytest.fixture
def ended() -> int:
    """The number of a process that is no more."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_a_process_that_ended_on_this_host_is_gone(ended: int) -> None:
    assert gone(hello(ended, socket.gethostname(), time.time()))


def test_of_another_host_nothing_can_be_known(ended: int) -> None:
    assert not gone(hello(ended, "compute-7", time.time()))
    assert not gone(hello(os.getpid(), "compute-7", 0.0)), "the same number here is another process"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are dated by /proc")
def test_a_number_that_was_given_to_a_younger_process_is_gone_too() -> None:
    assert not gone(hello(os.getpid(), socket.gethostname(), time.time()))
    assert gone(hello(os.getpid(), socket.gethostname(), 0.0))
