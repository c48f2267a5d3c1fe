"""The transformer: attention is PyTorch's, normalisation is where the toggle puts it, and a warm-up warms up."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gradtui.lab import toggles
from gradtui.lab.errors import SettingError
from gradtui.lab.models.transformer import Attention, Transformer
from gradtui.lab.scenario import load
from gradtui.stream.events import Value
from tests.lab.trainings import begin, measured, own, preset, score

SETTINGS: dict[str, Value] = {"init": "lecun", "activation": "relu"}


def test_attention_is_what_pytorchs_is() -> None:
    torch.manual_seed(0)
    ours, theirs, x = Attention(32, 4, SETTINGS), nn.MultiheadAttention(32, 4, batch_first=True), torch.randn(3, 8, 32)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.bias.zero_()
    torch.testing.assert_close(ours(x), x + theirs(x, x, x)[0])


@pytest.mark.parametrize("kind", ["off", "pre", "post"])
def test_normalisation_is_before_the_branch_or_after_the_sum(kind: str) -> None:
    torch.manual_seed(0)
    branch, x, norm = Attention(32, 4, SETTINGS), 3 * torch.randn(3, 8, 32), nn.LayerNorm(32)
    f = branch.compute
    branch.set_layer_norm(kind)
    expected = {"off": x + f(x), "pre": x + f(norm(x)), "post": norm(x + f(x))}[kind]
    torch.testing.assert_close(branch(x), expected)


def test_only_pre_norm_normalises_what_is_read_out() -> None:
    model = preset("post-norm-transformer").learner.model
    assert isinstance(model, Transformer)
    assert isinstance(model.norm, nn.Identity)
    model.set_layer_norm("pre")
    assert isinstance(model.norm, nn.LayerNorm)


def test_every_matrix_is_a_row_with_a_delta_of_its_own_in_any_order_of_normalisation() -> None:
    session = preset("healthy-transformer")
    for kind in ("post", "off", "pre"):
        session.set("layer_norm", kind)
        deltas = {layer.name: d for layer, d in zip(session.layers, measured(session).layers["delta_rms"], strict=True)}
        rows = [f"blocks.{block}.{part}" for block in range(8) for part in ("0.query", "0.key", "0.value", "0.out", "1.up", "1.down")]
        assert [name for name, delta in deltas.items() if delta] == ["embedding", *rows, "read_out"]


def test_choices_of_layer_norm_are_the_networks_own() -> None:
    transformer, rnn = load("post-norm-transformer"), load("forgetful-rnn")
    assert toggles.check(rnn, "layer_norm", True) == "on"
    with pytest.raises(SettingError, match="layer_norm is 'on'; it is one of off, pre, post"):
        toggles.check(transformer, "layer_norm", "on")
    with pytest.raises(SettingError, match="layer_norm is 'pre'; it is one of off, on"):
        toggles.check(rnn, "layer_norm", "pre")
    with pytest.raises(SettingError, match="an mlp has no layer normalisation"):
        toggles.check(load("deep-sigmoid"), "layer_norm", "off")


def test_a_width_that_heads_do_not_divide_is_said_in_one_line() -> None:
    with pytest.raises(SettingError, match=r"^width is 30; a transformer's is a multiple of its heads, 4$"):
        begin(own("transformer"), width=30)


def test_warm_up_climbs_in_a_line_from_when_it_is_set_and_can_be_called_off() -> None:
    session = begin(own(), warmup=4, lr=0.1, depth=1, width=8)
    rates = [measured(session).lr for _ in range(6)]
    assert rates == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])
    session.set("warmup", 10)
    assert measured(session).lr == pytest.approx(0.01)
    session.set("optimizer", "adam")  # a new optimizer goes on where the old one's warm-up was
    assert measured(session).lr == pytest.approx(0.02)
    session.set("warmup", 0)
    assert measured(session).lr == pytest.approx(0.1)


def test_pre_norm_learns_where_post_norm_does_not() -> None:
    assert score(preset("post-norm-transformer"), 150) < 0.5
    assert score(preset("post-norm-transformer", layer_norm="pre"), 150) > 0.7
