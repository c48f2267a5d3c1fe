"""Event files as TensorBoard's own reader finds them, compared with the events."""

from __future__ import annotations

import math
import os
import random
import struct
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from gradtui.export import records, tensorboard
from gradtui.stream.events import Frame
from tests.diagnose.streams import frame, hello, layers
from tests.export.test_tables import HARD, strange


def accumulated(path: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return accumulator


def single(value: float) -> float:
    """`value` at TensorBoard's precision."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def test_tensorboards_own_reader_finds_every_number_of_each_attempt(tmp_path: Path) -> None:
    events = strange()
    files = tensorboard.export(events, tmp_path)
    assert files == [tmp_path / f"attempt-{n}" / "events.out.tfevents.gradtui" for n in (0, 1)]
    first, second = (accumulated(file.parent) for file in files)
    for name, index in (('delta_rms/критик a,"b"\\n\\x1b[31m', 0), ("delta_rms/hidden.4", 5), ("delta_rms/hidden.7", 8)):
        value = HARD[index]
        assert value is not None
        assert [repr(scalar.value) for scalar in first.Scalars(name)] == [repr(single(value))] * 3
    assert "delta_rms/hidden.6" not in first.Tags()["scalars"]  # None was not measured: it is not 0
    assert [(scalar.step, repr(scalar.value)) for scalar in first.Scalars("loss")] == [(0, "nan"), (1, "inf"), (2, "-inf")]
    assert [scalar.value for scalar in second.Scalars("metrics/перп")] == [math.inf] * 20
    assert [scalar.step for scalar in second.Scalars("grad_max/hidden.0")] == list(range(0, 100, 5))
    assert [(scalar.step, scalar.value) for scalar in second.Scalars("metrics/eval_loss")] == [(95, 0.125)]
    assert "total_norm" in first.Tags()["scalars"]
    assert "total_norm" not in second.Tags()["scalars"]


def test_tensorboards_clock_goes_on_through_a_restart_of_the_same_trainer(tmp_path: Path) -> None:
    """A frame's time counts from its trainer's start, not from the restart; another trainer counts from its own."""
    events = [*strange()[:-1], hello(started=9000.0, attempt=2, pid=8), frame(0, time=1.0)]
    walls = [accumulated(file.parent).Scalars("lr")[0].wall_time for file in tensorboard.export(events, tmp_path)]
    assert walls == [1000.0, 1100.0, 9001.0]


def test_tensorboard_has_warnings_and_toggles_as_text(tmp_path: Path) -> None:
    first, second = (accumulated(file.parent) for file in tensorboard.export(strange(), tmp_path))

    def texts(reader: EventAccumulator, tag: str) -> list[str]:
        assert tag in reader.summary_metadata
        assert reader.summary_metadata[tag].plugin_data.plugin_name == "text"
        return [tensor.tensor_proto.string_val[0].decode() for tensor in reader.Tensors(tag)]

    assert texts(first, "toggles/clip") == ["refused: no\\nnot here"]
    assert texts(first, "toggles/lr") == ["0.30000000000000004"]
    (opened,) = texts(second, "warnings/vanishing")
    assert opened.startswith("opened, critical in hidden.0")


def test_each_frame_has_what_was_measured_in_it_and_nothing_of_the_one_before(tmp_path: Path) -> None:
    unnamed = [frame(0, rows=6), frame(5, rows=7)]
    losses = [frame(0, loss=1.5), frame(5, loss=None, delta_rms=[]), Frame(step=10, time=1.0), frame(15, loss=2.5, grad_max=[None, 0.5])]
    losses += [frame(20, loss=None), frame(25, lr=None, loss=3.5)]  # as many numbers, of other things
    first, second, third = (
        accumulated(file.parent) for file in tensorboard.export([hello(), *losses, hello(layers(8)), frame(0), hello(), *unnamed], tmp_path)
    )
    assert [(scalar.step, scalar.value) for scalar in first.Scalars("loss")] == [(0, 1.5), (15, 2.5), (25, 3.5)]
    assert [scalar.step for scalar in first.Scalars("delta_rms/hidden.0")] == [0, 15, 20, 25]
    assert [scalar.step for scalar in first.Scalars("lr")] == [0, 5, 15, 20]
    assert [scalar.step for scalar in first.Scalars("grad_max/hidden.0")] == [0, 5, 20, 25]
    assert [scalar.value for scalar in first.Scalars("grad_max/hidden.1")][2] == 0.5
    assert "delta_rms/hidden.4" in second.Tags()["scalars"]
    assert "delta_rms/hidden.4" not in third.Tags()["scalars"]
    assert [scalar.step for scalar in third.Scalars("delta_rms/5")] == [0, 5]
    assert [scalar.step for scalar in third.Scalars("delta_rms/6")] == [5]


@pytest.mark.parametrize("length", [*range(10), 4095, 4096, 4097, 4099, 4100, 20_000])
def test_the_checksum_is_tensorboards_own(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert records.masked(records.crc32c(data)) == masked_crc32c(data)


def test_a_second_export_replaces_the_first(tmp_path: Path) -> None:
    tensorboard.export(strange(), tmp_path)
    (file,) = tensorboard.export([hello(), frame(0)], tmp_path)
    assert len(accumulated(file.parent).Scalars("loss")) == 1
    assert len(os.listdir(file.parent)) == 1
