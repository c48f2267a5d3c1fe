"""MNIST and CIFAR-10 are read from small files in the formats that their publishers use."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path

import pytest
import torch

from gradtui.lab import data, files, toggles
from gradtui.lab.data.images import read_cifar10, read_idx
from gradtui.lab.errors import ScenarioError, SettingError
from gradtui.lab.scenario import load
from gradtui.lab.session import Session
from tests.lab.trainings import CPU, begin, own, score


def idx(array: torch.Tensor) -> bytes:
    """http://yann.lecun.com/exdb/mnist: magic number, sizes as big-endian 32-bit integers, bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + bytes(array.flatten().tolist())


def cifar_batch(pixels: bytes, labels: list[int]) -> bytes:
    """A batch as the publishers pickled it, with Python 2 and numpy 1: byte strings are `str`, opcodes U and T."""

    def short(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    dtype = b"cnumpy\ndtype\n" + short(b"u1") + b"K\x00K\x01\x87R(K\x03" + short(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"K" + bytes([len(labels)]) + b"M\x00\x0c\x86"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short(b"b") + b"\x87R"
    state = b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(pixels)) + pixels + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    entries = short(b"batch_label") + short(b"testing batch 1 of 1") + short(b"labels") + numbers + short(b"data") + array + state
    return b"\x80\x02}(" + entries + b"u."


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(files.ENVIRONMENT, str(tmp_path))
    return tmp_path


def write_mnist(directory: Path, train: int = 40, test: int = 20) -> torch.Tensor:
    """Images whose brightness says their digit, so that a network can learn them; returns the training images."""
    raw = directory / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    kept = torch.empty(0)
    for part, count in (("train", train), ("t10k", test)):
        labels = (torch.arange(count) % 10).to(torch.uint8)
        noise = torch.randint(20, (count, 28, 28), generator=generator)
        images = (noise + torch.nn.functional.one_hot(labels.long(), 28).mul(200)[:, :, None]).to(torch.uint8)
        kept = images if part == "train" else kept
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return kept


def test_mnist_is_read_packed_or_not_and_scaled_as_the_digits_are(directory: Path) -> None:
    images = write_mnist(directory)
    mnist = data.load("mnist")
    assert mnist.train_x.shape == (40, 784)
    assert mnist.test_x.shape == (20, 784)
    assert mnist.image == (1, 28, 28)
    assert mnist.train_y.tolist() == [i % 10 for i in range(40)]
    torch.testing.assert_close(mnist.train_x.mean(0), torch.zeros(784), atol=1e-5, rtol=0)
    torch.testing.assert_close(mnist.train_x.pow(2).mean(), torch.tensor(1.0), atol=1e-5, rtol=0)
    raw = images.flatten(1).float()
    expected = raw - raw.mean(0)
    torch.testing.assert_close(mnist.train_x, expected / expected.pow(2).mean().sqrt())


def test_cifar10_is_read_from_its_python_version(directory: Path) -> None:
    batches = directory / "cifar-10-batches-py"
    batches.mkdir()
    generator = torch.Generator().manual_seed(0)
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        pixels = torch.randint(256, (6 * 3072,), generator=generator)
        (batches / name).write_bytes(cifar_batch(bytes(pixels.tolist()), [3, 1, 4, 1, 5, 9]))
    cifar = data.load("cifar10")
    assert cifar.train_x.shape == (12, 3072)
    assert cifar.train_y.tolist() == [3, 1, 4, 1, 5, 9] * 2
    assert cifar.image == (3, 32, 32)
    images, _ = read_cifar10(batches / "test_batch")
    assert images.flatten().tolist() == pixels.tolist()


def test_a_batch_that_numpy_pickles_today_is_read_as_well(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    pixels = numpy.arange(2 * 3072, dtype=numpy.uint64).astype(numpy.uint8).reshape(2, 3072)
    (tmp_path / "batch").write_bytes(pickle.dumps({b"data": pixels, b"labels": [7, 2]}, protocol=4))
    images, labels = read_cifar10(tmp_path / "batch")
    assert images.tolist() == pixels.tolist()
    assert labels.tolist() == [7, 2]


def test_a_pickle_that_asks_for_anything_else_is_refused_and_not_run(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    payload = b"cos\nsystem\n(S'touch " + str(victim).encode() + b"'\ntR."
    (tmp_path / "batch").write_bytes(payload)
    with pytest.raises(SettingError, match=r"it asks for os\.system"):
        read_cifar10(tmp_path / "batch")
    assert not victim.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\x00\x08", b"\x00\x00\x08\x01\x00\x00\x00\x05abc", b"\x00\x00\x0d\x01\x00\x00\x00\x01abcd", b"\x1f\x8b junk", b"not idx"],
)
def test_a_damaged_idx_file_is_one_line_with_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(SettingError, match=r"images: is not a whole IDX file of bytes$"):
        read_idx(tmp_path / "images")


@pytest.mark.parametrize("content", [b"", b"}.", b"junk", cifar_batch(b"a" * 3071, [1]), b"\x80\x02}(U\x04dataK\x01U\x06labels](e."])
def test_a_damaged_cifar_batch_is_one_line_with_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(SettingError, match=r"batch: is not a batch of CIFAR-10's Python version") as error:
        read_cifar10(tmp_path / "batch")
    assert "\n" not in str(error.value)


def test_missing_files_are_said_before_anything_is_trained(directory: Path) -> None:
    scenario = load("deep-sigmoid")
    with pytest.raises(SettingError) as error:
        toggles.parse_setting(scenario, "data=mnist")
    line = str(error.value)
    assert "MNIST/raw/train-images-idx3-ubyte" in line
    assert str(directory) in line
    assert "torchvision.datasets.MNIST" in line
    assert "$GRADTUI_DATA" in line
    with pytest.raises(ScenarioError, match=r"mine\.toml: data is cifar10, and cifar-10-batches-py/data_batch_1 is not in"):
        own(data="cifar10")


def test_data_waits_for_a_restart_and_then_reshapes_the_network(directory: Path) -> None:
    write_mnist(directory)
    training = begin(load("healthy-mlp"))
    assert training.set("data", "mnist") == ("mnist", "in force at the next restart")
    again = Session(training.scenario, training.settings, 0, CPU)
    assert again.layers[0].shape == [64, 784]
    assert score(again, 30) > 0.9


def test_a_resnet_takes_the_images_of_mnist(directory: Path) -> None:
    write_mnist(directory)
    training = begin(own("resnet", "mnist", n=1, channels=2), batch=8)
    training.take_step(measure=False)
    assert training.learner.model(training.data.test_x[:3]).shape == (3, 10)
