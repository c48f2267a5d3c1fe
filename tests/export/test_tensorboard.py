"""Event files as TensorBoard's own reader finds them, compared with the events."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gradtui.export import tensorboard
from tests.diagnose.streams import frame, hello
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


def test_a_second_export_replaces_the_first(tmp_path: Path) -> None:
    tensorboard.export(strange(), tmp_path)
    (file,) = tensorboard.export([hello(), frame(0)], tmp_path)
    assert len(accumulated(file.parent).Scalars("loss")) == 1
    assert len(os.listdir(file.parent)) == 1
