"""A user's own network and data: whatever torch builds can be watched, and what cannot be done says why, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gradtui.lab import data, toggles
from gradtui.lab.errors import ScenarioError, SettingError
from gradtui.lab.scenario import load
from gradtui.lab.session import Session
from tests.lab.trainings import begin, measured, own, score

CODE = """
import torch
from torch import nn

class Made(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.act = nn.SiLU()
        first, second = nn.Linear(64, width), nn.Linear(width, width)
        self.body = nn.Sequential(first, nn.LayerNorm(width), self.act, second, nn.BatchNorm1d(width), self.act)
        self.head = nn.Linear(width, 10)
    def forward(self, x):
        return self.head(self.body(x))

def make(width=32):
    return Made(width)

def half_frozen():
    body = nn.Linear(64, 16)
    body.weight.requires_grad_(False)
    return nn.Sequential(body, nn.ReLU(), nn.Linear(16, 10))

def functional():
    class F(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(64, 8), nn.Linear(8, 10)
        def forward(self, x):
            return self.b(torch.relu(self.a(x)))
    return F()

def transformer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation=nn.GELU())
    return nn.Sequential(nn.Unflatten(1, (8, 8)), nn.TransformerEncoder(layer, 1), nn.Flatten(), nn.Linear(64, 10))

def rows():
    x = torch.arange(40.0).reshape(20, 2)
    return x, (x[:, 0] > 19).long(), x[:5], torch.zeros(5, dtype=torch.int64)

def pictures():
    return torch.rand(24, 3, 8, 8), torch.arange(24) % 4, torch.rand(8, 3, 8, 8), torch.arange(8) % 4

def numbers():
    x = torch.linspace(-1, 1, 200)[:, None]
    return x, 3 * x + 1, x[::7], 3 * x[::7] + 1

def negative():
    return torch.rand(4, 2), -torch.ones(4, dtype=torch.int64), torch.rand(1, 2), torch.zeros(1, dtype=torch.int64)

def uneven():
    return torch.rand(4, 2), torch.zeros(3), torch.rand(1, 2), torch.zeros(1)

def words():
    return "a", "b", "c", "d"

def broken(**_):
    raise RuntimeError("the shelf\\nfell down")

def nothing():
    return None

def narrow():
    x = torch.rand(8, 64)
    return x, torch.zeros(8), x[:, :5], torch.zeros(8)

def seven_wide():
    return nn.Linear(7, 3)

def three_classes():
    return nn.Linear(64, 3)

def by_rows():
    return nn.Sequential(nn.Unflatten(1, (8, 8)), nn.Linear(8, 10))

def pair():
    class Pair(nn.Linear):
        def forward(self, x):
            return super().forward(x), None
    return Pair(64, 10)

def idle():
    return nn.ReLU()
"""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of a user's in the directory they stand in."""
    import sys

    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "crooked.py").write_text("import nosuchpackage")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))


def outputs(training: Session) -> Tensor:
    model = training.learner.model.eval()
    with torch.no_grad():
        found: Tensor = model(training.data.test_x[:50])
    model.train()
    return found


def activations(training: Session) -> list[str]:
    return [type(module).__name__ for module in training.learner.model.modules() if isinstance(module, (nn.SiLU, nn.Tanh))]


def test_a_network_of_ones_own_learns_and_has_its_rows() -> None:
    training = begin(own("mine:make", width=16), optimizer="adam", lr=0.01)
    assert [layer.name for layer in training.layers] == ["body.0", "body.3", "head"]
    assert training.layers[0].shape == [16, 64]  # options are the function's keyword arguments
    assert score(training, 150) > 0.7


def test_generic_toggles_apply_to_it_and_the_others_say_why_not() -> None:
    offered = {toggle.key: toggle for toggle in toggles.offered(own("mine:make"), {})}
    generic = {"clip", "optimizer", "lr", "l1", "l2", "regularisation", "activation", "norm_bypass", "batch", "precision", "data"}
    assert all(offered[key].applies for key in generic)
    for key in ("batch_norm", "skip", "init", "depth", "width", "norm_scale"):
        assert not offered[key].applies, key
        assert offered[key].reason
    assert offered["activation"].value == "own"
    assert all("norm_bypass" in offered[key].reason for key in ("batch_norm", "norm_scale", "layer_norm"))  # it has norms of its own
    with pytest.raises(SettingError, match="batch_norm: does not apply to"):
        toggles.check(own("mine:make"), "batch_norm", "on")
    with pytest.raises(SettingError, match="activation is 'own'"):
        toggles.check(load("deep-sigmoid"), "activation", "own")
    assert not {toggle.key: toggle for toggle in toggles.offered(load("deep-sigmoid"), {})}["norm_bypass"].applies


def test_its_activations_are_swapped_and_come_back() -> None:
    training = begin(own("mine:make"))
    before = outputs(training)
    training.set("activation", "tanh")
    assert set(activations(training)) == {"Tanh"}
    assert not torch.allclose(outputs(training), before)
    training.set("activation", "identity")
    training.take_step(measure=True)
    training.set("activation", "own")
    assert set(activations(training)) == {"SiLU"}
    again = begin(own("mine:make"), activation="tanh")
    assert set(activations(again)) == {"Tanh"}


def test_its_norms_are_bypassed_and_go_on_as_they_were() -> None:
    training = begin(own("mine:make"), optimizer="adam")
    for _ in range(3):
        training.take_step(measure=False)
    before, norm = outputs(training), training.learner.model.body[4]  # type: ignore[index]
    assert isinstance(norm, nn.BatchNorm1d)
    moments, tracked = training.learner.optimizer.state[norm.weight]["exp_avg"].clone(), int(norm.num_batches_tracked or 0)
    names = [layer.name for layer in training.layers]
    training.set("norm_bypass", "on")
    x = torch.rand(4, 32)
    assert torch.equal(norm(x), x)
    assert not torch.allclose(outputs(training), before)
    training.set("norm_bypass", "off")
    assert torch.equal(outputs(training), before)
    training.set("norm_bypass", "on")
    training.take_step(measure=True)
    assert int(norm.num_batches_tracked or 0) == tracked
    assert torch.equal(training.learner.optimizer.state[norm.weight]["exp_avg"], moments)
    assert [layer.name for layer in training.layers] == names
    again = begin(own("mine:make"), norm_bypass="on")
    assert torch.equal(again.learner.model.body[1](x), x)  # type: ignore[index,operator]


def test_where_there_is_nothing_to_swap_the_setting_is_refused_and_stays() -> None:
    training = begin(own("mine:functional"))
    with pytest.raises(SettingError, match="no activation modules"):
        training.set("activation", "tanh")
    with pytest.raises(SettingError, match="no normalisation modules"):
        training.set("norm_bypass", "on")
    assert training.settings["activation"] == "own"
    assert training.settings["norm_bypass"] == "off"
    training.take_step(measure=True)


def test_a_transformer_is_changed_in_evaluation_too() -> None:
    """torch's fast path for transformer layers in evaluation goes past their modules."""
    training = begin(own("mine:transformer"))
    before = outputs(training)
    training.set("norm_bypass", "on")
    without_norm = outputs(training)
    assert not torch.allclose(before, without_norm)
    training.set("activation", "tanh")
    assert not torch.allclose(without_norm, outputs(training))


def test_data_of_ones_own_feeds_a_family() -> None:
    rows = begin(own("mlp", "mine:rows"), batch=4)
    assert rows.data.classes == 2
    assert rows.layers[0].shape == [64, 2]
    pictures = begin(own("resnet", "mine:pictures", n=1, channels=2), batch=4)
    assert pictures.data.image == (3, 8, 8)
    measured(pictures)
    flattened = begin(own("mlp", "mine:pictures"), batch=4)
    assert flattened.layers[0].shape == [64, 192]


def test_numbers_as_targets_are_regressed_on() -> None:
    training = begin(own("mlp", "mine:numbers"), depth=1, optimizer="adam", lr=0.01)
    first = measured(training).loss
    assert first == pytest.approx(training.data.train_y.pow(2).mean().item(), rel=1.0)
    for _ in range(150):
        training.take_step(measure=False)
    training.evaluate()
    assert training.metrics["r2"] > 0.95


def test_a_data_set_object_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "whole.py").write_text("from gradtui.lab import data\ndef get(): return data.load('spirals', 5)\n")
    assert torch.equal(data.load("whole:get").train_x, data.load("spirals", 5).train_x)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("nosuch:make", "model is nosuch:make; there is no module nosuch in "),
        ("mine:mak", "model is mine:mak; mine has no mak; did you mean make?"),
        ("mine:broken", "model: mine:broken failed: RuntimeError: the shelf fell down"),
        ("mine:nothing", "model: mine:nothing returned a NoneType; it is a torch.nn.Module"),
        ("mine:idle", "model: mine:idle returned a ReLU with nothing to train"),
        ("crooked:make", "model: crooked:make could not be imported: ModuleNotFoundError: No module named 'nosuchpackage'"),
    ],
)
def test_a_mistake_in_a_network_is_one_line(model: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingError) as error:
        begin(own(model))
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)
    shown = capsys.readouterr().err
    assert ("Traceback" in shown) == ("failed" in line or "could not" in line)
    assert ("the shelf" in shown) == ("failed" in line)


GIVEN = "was given float32 of shape (2, 64) and returned"


@pytest.mark.parametrize(
    ("model", "data_name", "line"),
    [
        (
            "mine:seven_wide",
            "digits",
            "failed when it was given float32 of shape (2, 64): RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x64 and 7x3)",
        ),
        ("mine:three_classes", "digits", f"{GIVEN} the shape (2, 3); it is (2, 10), a number for each row and class"),
        ("mine:by_rows", "digits", f"{GIVEN} the shape (2, 8, 10); it is (2, 10), a number for each row and class"),
        ("mine:pair", "digits", f"{GIVEN} a tuple; it is a tensor"),
        ("mine:make", "mine:numbers", "failed when it was given float32 of shape (2, 1): RuntimeError: "),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_one_line(model: str, data_name: str, line: str) -> None:
    with pytest.raises(SettingError) as error:
        begin(own(model, data_name))
    assert str(error.value).startswith(f"model: {model} {line}")
    assert "\n" not in str(error.value)


def test_as_many_numbers_as_targets_are_needed(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text("from torch import nn\ndef make(): return nn.Linear(1, 2)\n")
    with pytest.raises(SettingError, match=r"returned the shape \(2, 2\); it is \(2, 1\), as the targets are"):
        begin(own("two:make", "mine:numbers"))


def test_more_outputs_than_classes_are_fine() -> None:
    measured(begin(own("mlp", "mine:rows")))
    (Path.cwd() / "more.py").write_text("from torch import nn\ndef make(): return nn.Linear(2, 5)\n")
    measured(begin(own("more:make", "mine:rows")))


def test_a_resnet_takes_images_and_regresses_on_them_too() -> None:
    with pytest.raises(SettingError, match=r"data: train_x has the shape \(20, 2\), and a resnet takes images"):
        begin(own("resnet", "mine:rows", n=1))
    (Path.cwd() / "graded.py").write_text(
        "import torch\nx = torch.rand(8, 1, 8, 8)\ndef get(): return x, x.mean((1, 2, 3)), x, x.mean((1, 2, 3))\n"
    )
    graded = begin(own("resnet", "graded:get", n=1, channels=2))
    assert graded.layers[-1].shape[0] == 1
    measured(graded)


def test_options_that_a_function_does_not_take_are_one_line() -> None:
    with pytest.raises(SettingError, match=r"model: mine:make failed: TypeError: make\(\) got an unexpected keyword argument 'depth'"):
        begin(own("mine:make", depth=3))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("mine:nothing", "data: mine:nothing returned a NoneType; it is a Dataset or (train_x, train_y, test_x, test_y)"),
        ("mine:uneven", "data: mine:uneven returned 4 train_x and 3 train_y; as many are needed"),
        ("mine:negative", "data: mine:negative returned the class -1; classes count from 0"),
        ("mine:words", "data: mine:words returned a str as train_x; it is a tensor or an array"),
        ("mine:broken", "data: mine:broken failed: RuntimeError: the shelf fell down"),
        (
            "mine:narrow",
            "data: mine:narrow returned train_x of shape (8, 64) and test_x of (8, 5); they differ in the number of rows only",
        ),
    ],
)
def test_a_mistake_in_data_is_one_line(name: str, line: str) -> None:
    with pytest.raises(SettingError) as error:
        begin(own("mlp", name))
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("model", "data_name", "line"),
    [
        ("mine.make", "digits", "model is 'mine.make'; it is one of"),
        ("mine:", "digits", "model is 'mine:'; one of your own is package.module:function"),
        ("mine:make", "../x:y", "data is '../x:y'; one of your own is package.module:function"),
        ("bag", "mine:rows", "data is 'mine:rows'; a bag takes tokens only"),
        ("mine:make", "tokens", "data is 'tokens'"),
        ("mpl", "digits", "model is 'mpl'; did you mean mlp? One of your own is package.module:function"),
        ("bag", "digits", "data is 'digits'; it is one of tokens"),
    ],
)
def test_a_name_that_cannot_be_one_is_said_before_any_trainer_starts(model: str, data_name: str, line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        own(model, data_name)
    assert str(error.value).startswith(f"mine.toml: {line}")


def test_a_file_of_a_users_shadows_no_installed_module(tmp_path: Path) -> None:
    (tmp_path / "wave.py").write_text("raise RuntimeError('shadowed')")
    (tmp_path / "uses.py").write_text("import wave\nfrom torch import nn\ndef make(): return nn.Linear(64, 10)\n")
    assert len(begin(own("uses:make")).layers) == 1


@pytest.mark.parametrize("regularisation", ["loss", "decoupled"])
def test_what_the_network_froze_is_not_regularised(regularisation: str) -> None:
    """A parameter with a gradient is moved by the optimizer, whatever its `requires_grad`: the penalty must not give it one."""
    training = begin(own("mine:half_frozen"), l1=0.01, l2=0.1, regularisation=regularisation)
    frozen, free = training.learner.model[0].weight, training.learner.model[2].weight  # type: ignore[index]
    before = frozen.detach().clone(), free.detach().clone()
    found = measured(training)
    assert torch.equal(frozen, before[0])
    assert not torch.equal(free, before[1])
    assert found.layers["penalty_norm"][0] in (None, 0.0)
