"""MNIST and CIFAR-10 come through torchvision's own classes, from small files in the formats that their publishers use."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import struct
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gradtui.lab import data, files, toggles
from gradtui.lab.errors import ScenarioError, SettingError
from gradtui.lab.scenario import load
from gradtui.lab.session import Session
from tests.lab.trainings import CPU, begin, own, score

APART = Path(sys.prefix) / "apart"
"""Where `make` puts a torchvision without its dependencies: beside the other packages, one that does not fit this torch would be
imported by those that use it where it is there."""

declared: list[torch.library.Library] = []
"""Kept: what a library has declared goes with it."""


@pytest.fixture(scope="session")
def modules() -> dict[str, ModuleType]:
    """torchvision as it is imported, out of sight for other tests."""
    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec("torchvision") is None:
            patch.syspath_prepend(APART)
        if importlib.util.find_spec("torchvision") is None:
            pytest.skip("there is no torchvision: make test installs it")
        try:
            import torchvision.datasets
        except RuntimeError:  # its C++ operators are built for another torch; its data sets need none of them
            forget()
            declare_operators()
            import torchvision.datasets  # noqa: F401
        return forget()


def declare_operators() -> None:
    """Give the operators that it registers derivatives and shapes for a name."""
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "_meta_registrations.py").read_text(encoding="utf-8")
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in re.findall(r'register_(?:meta|fake)\("(?:torchvision::)?(\w+)"', source):
        library.define(f"{name}(Tensor x) -> Tensor")  # type: ignore[no-untyped-call]
    declared.append(library)


def forget() -> dict[str, ModuleType]:
    """Take torchvision's modules out of those that are imported."""
    names = [name for name in sys.modules if name.split(".")[0] == "torchvision"]
    return {name: sys.modules.pop(name) for name in names}


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: dict[str, ModuleType]) -> Path:
    """Where data is looked for; torchvision is there to read it."""
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv(files.ENVIRONMENT, str(tmp_path))
    return tmp_path


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
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return kept


def write_cifar10(directory: Path) -> torch.Tensor:
    """Two images a batch; returns the test batch's pixels, as they are in the file."""
    batches = directory / "cifar-10-batches-py"
    batches.mkdir()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.empty(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        pixels = torch.randint(256, (2 * 3072,), generator=generator)
        (batches / name).write_bytes(cifar_batch(bytes(pixels.tolist()), [3, 1]))
    (batches / "batches.meta").write_bytes(b"\x80\x02}U\x0blabel_names](U\x03catU\x03dogeu.".replace(b"}U", b"}(U"))
    return pixels


def fit_checksums(directory: Path, modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision knows the real files by their sums; here it is told those of the small ones."""
    cifar = modules["torchvision.datasets"].CIFAR10

    def entry(name: str) -> list[str]:
        return [name, hashlib.md5((directory / cifar.base_folder / name).read_bytes()).hexdigest()]

    for table in ("train_list", "test_list"):
        monkeypatch.setattr(cifar, table, [entry(name) for name, _ in getattr(cifar, table)])
    monkeypatch.setattr(cifar, "meta", cifar.meta | {"md5": entry(cifar.meta["filename"])[1]})


def test_mnist_is_scaled_as_the_digits_are(directory: Path) -> None:
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


def test_cifar10_has_its_channels_first_as_in_its_files(
    directory: Path, modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = write_cifar10(directory)
    fit_checksums(directory, modules, monkeypatch)
    cifar = data.load("cifar10")
    assert cifar.train_x.shape == (10, 3072)
    assert cifar.train_y.tolist() == [3, 1] * 5
    assert cifar.test_y.tolist() == [3, 1]
    assert cifar.image == (3, 32, 32)
    change = cifar.test_x[0] - cifar.test_x[1]  # free of the mean; by the scale, which is the same everywhere
    expected = (pixels[:3072] - pixels[3072:]).float()
    torch.testing.assert_close(change / change.norm(), expected / expected.norm())


def test_files_with_other_checksums_are_said_not_to_be_right(directory: Path) -> None:
    write_cifar10(directory)
    with pytest.raises(SettingError, match=r"data is cifar10, and torchvision\.datasets\.CIFAR10 does not take the files in") as error:
        data.load("cifar10")
    line = str(error.value)
    assert "corrupted" in line
    assert str(directory) in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00\x08", b"\x00\x00\x08\x03\x00\x00\x00\x05abc", b"\x00\x00\x0d\x01\x00\x00\x00\x01abcd", b"no"]
)
def test_a_damaged_idx_file_is_one_line(directory: Path, content: bytes) -> None:
    write_mnist(directory)
    (directory / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(SettingError, match=r"MNIST does not take the files in") as error:
        data.load("mnist")
    assert "\n" not in str(error.value)


def test_missing_files_are_said_before_anything_is_trained(directory: Path) -> None:
    scenario = load("deep-sigmoid")
    with pytest.raises(SettingError) as error:
        toggles.parse_setting(scenario, "data=mnist")
    line = str(error.value)
    assert "MNIST/raw/train-images-idx3-ubyte" in line
    assert "nor 3 more of its files" in line
    assert str(directory) in line
    assert "torchvision.datasets.MNIST" in line
    assert "$GRADTUI_DATA" in line
    with pytest.raises(ScenarioError, match=r"mine\.toml: data is cifar10, and cifar-10-batches-py/data_batch_1 is not in"):
        own(data="cifar10")
    write_cifar10(directory)
    (directory / "cifar-10-batches-py" / "batches.meta").unlink()
    with pytest.raises(ScenarioError, match=r"batches\.meta is not in [^(]*;"):
        own(data="cifar10")


def test_without_torchvision_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    monkeypatch.setenv(files.ENVIRONMENT, str(tmp_path))
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as the import system notes what is not there
    with pytest.raises(SettingError, match=r"torchvision reads, and that is not installed; pip install torchvision$"):
        toggles.parse_setting(load("deep-sigmoid"), "data=mnist")


def test_a_torchvision_of_another_torch_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    package = tmp_path / "elsewhere" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does\\nnot exist')\n")
    monkeypatch.setenv(files.ENVIRONMENT, str(tmp_path))
    monkeypatch.syspath_prepend(package.parent)
    with pytest.raises(SettingError, match=r"cannot be imported \(RuntimeError: operator torchvision::nms does not exist\)") as error:
        data.load("mnist")
    assert f"torch {torch.__version__}" in str(error.value)


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
