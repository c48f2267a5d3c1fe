"""Loops in which tools that read gradients have gone wrong, and the test that holds for each.

| trap | test |
|---|---|
| gradient accumulation, several losses | test_gradients: accumulated_over_micro_batches_and_several_losses |
| GAN, several optimizers | test_gradients: of_a_gan_belong_to_each_networks_own_step, of_one_model_under_two_optimizers… |
| a critic that steps more often than its generator | test_rounds |
| double backward (gradient penalty) | here; its inner pass's δ: probe/test_forward: a_gradient_penaltys_inner_pass_is_not_the_losss_delta |
| zero_grad(set_to_none=True), no gradient at all | here |
| closures (LBFGS) | test_gradients: of_a_closure_are_those_of_its_first_evaluation |
| GradScaler: fused, skipped steps; bf16 autocast | test_amp |
| clipping, before and after | test_gradients: before_and_after_the_loop_clips_them, each_part_of_a_model_clipped_by_itself |
| torch.compile | test_gradients: of_a_compiled_model_are_exact_and_delta_is_said_to_be_off |
| DDP, FSDP2, a GAN over several ranks, a rank that dies | test_distributed |
| SAM, an optimizer that never steps, optimizers that step in the backward pass | test_vigil |
| an evaluation before the training, many micro-batches | probe/test_rows: of_a_thousand_passes…, micro_batches_make_no_more_time_steps… |
| MultiheadAttention, LSTM, GRU, tied weights, modules used twice | here |
| sparse, complex and float64 parameters, frozen bases, parameters outside modules | test_gradients: of_every_kind_of_parameter |
| modules added or thawed after `watch` | test_gradients: of_modules_that_join_and_thaw_while_it_trains |
| networks frozen in each other's turns; parameters and modules replaced | test_changes |
| an optimizer that calls its base's step | test_nesting |
| another optimizer in a second phase; many optimizers | test_strangers; test_optimizers |
| lazy modules, nested tensors, checkpointed blocks, another default device | here |
| copies and pickles of a watched model; torch.jit.script, torch.jit.trace and fx of one | here |
| forked processes, a vanished directory, failures of its own, warnings that are errors | test_lifetime |
| a full disk | stream/test_writer: a_full_disk_is_said_once_survived_and_told_in_the_recording |
| in-place operations after a layer | probe/test_rows: an_in_place_activation_is_not_taken_for_the_layer |
| host synchronisations | probe/test_cost |
| thousands of parameters | here; the screen: ui/test_scale |
| NaN that is dropped | probe/test_measure: nan_and_infinite_gradients…; test_amp: an_infinite_gradient_without… |
"""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import gradtui
from tests.watch.recordings import Recording, close_to, gradient_norms, norm


def test_a_gradient_penaltys_double_backward_counts_as_the_optimizer_sees_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(critic.parameters(), 0.01)
    expected = []
    with gradtui.watch(critic, optimizer, run_dir=tmp_path, every=1):
        for _ in range(3):
            optimizer.zero_grad()
            x = torch.randn(16, 4, requires_grad=True)
            out = critic(x)
            (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
            torch.autograd.grad(out.sum(), list(critic.parameters()), create_graph=True)  # runs what hooks on parameters would see
            (out.mean() + 10 * (slope.norm(dim=1) - 1).square().mean()).backward()
            expected.append(gradient_norms(critic, ("0", "2")))
            optimizer.step()
    recording = Recording(tmp_path)
    for step, layers in enumerate(expected):
        for layer, value in layers.items():
            assert recording.at(step, "grad_norm", layer) == close_to(value)


def test_no_gradient_is_not_a_gradient_of_zero(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for step in range(4):
            optimizer.zero_grad(set_to_none=step != 2)  # only then the unused one keeps a gradient, of zeros
            model[1 if step == 1 else 0](torch.randn(8, 4)).square().mean().backward()
            optimizer.step()
    recording = Recording(tmp_path)
    assert [recording.at(step, "grad_norm", "1") is None for step in range(4)] == [True, False, False, True]
    assert recording.at(2, "grad_norm", "1") == 0
    assert recording.at(1, "grad_norm", "0") is None


class Mixed(nn.Module):
    """A tied embedding, attention, two recurrent layers, and a linear layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.lstm, self.gru = nn.LSTM(8, 8, batch_first=True), nn.GRU(8, 8, batch_first=True)
        self.twice = nn.Linear(8, 8)
        self.read_out = nn.Linear(8, 11, bias=False)
        self.read_out.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        z = self.embedding(tokens)
        z = z + self.attention(z, z, z, need_weights=False)[0]
        z = self.gru(self.lstm(z)[0])[0]
        found: Tensor = self.read_out(self.twice(self.twice(z).tanh()))
        return found


def test_attention_recurrence_tied_weights_and_a_layer_used_twice(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, totals, expected = Mixed(), [], []
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(3):
            optimizer.zero_grad()
            tokens = torch.randint(11, (4, 6))
            nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).backward()  # type: ignore[no-untyped-call]
            expected.append(gradient_norms(model, ("embedding", "lstm", "gru", "twice")))
            totals.append(norm(*(parameter.grad for parameter in model.parameters())))
            optimizer.step()
    recording = Recording(tmp_path)
    assert recording.end.reason == "finished", recording.end.error
    for step, layers in enumerate(expected):
        for layer, value in layers.items():
            assert recording.at(step, "grad_norm", layer) == close_to(value), layer
        assert recording.frames[step].total_norm == pytest.approx(totals[step], rel=1e-5), "a tied weight counts once"


@pytest.mark.parametrize("how", ["copied", "pickled"])
def test_copies_of_a_watched_model_work_and_are_not_watched(tmp_path: Path, how: str) -> None:
    recordings = []
    for copies in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x = torch.randn(8, 4)
        with gradtui.watch(model, optimizer, run_dir=tmp_path / str(copies), every=1):
            for _ in range(3):
                if copies:
                    twin = copy.deepcopy(model) if how == "copied" else pickle.loads(pickle.dumps(model))
                    assert torch.equal(twin(x), model(x))
                    (5 * twin(100 * x)).sum().backward()
                optimizer.zero_grad()
                model(x).square().mean().backward()
                optimizer.step()
        recordings.append(Recording(tmp_path / str(copies)))
    for alone, beside in zip(*(recording.frames for recording in recordings), strict=True):
        assert alone.delta_rms == beside.delta_rms
        assert alone.grad_norm == beside.grad_norm


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_watched_model_is_scripted_and_traced_at_any_moment(tmp_path: Path) -> None:
    """Its hooks are there until the first step and on every frame's. Catches a script that fails on them, and hooks that are lost."""
    model, x = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), torch.randn(8, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def translations() -> list[nn.Module]:
        traced: nn.Module = torch.jit.trace(model, x)  # type: ignore[no-untyped-call]
        return [torch.jit.script(model), torch.jit.script(model[0]), traced, torch.fx.symbolic_trace(model)]

    def same(found: list[nn.Module]) -> bool:
        return all(torch.equal(one(x), model(x) if place != 1 else model[0](x)) for place, one in enumerate(found))

    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        assert same(translations())
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            assert same(translations())
        assert run.active
    recording = Recording(tmp_path)
    assert [layer.name for layer in recording.hellos[0].layers] == ["0", "2"]
    assert recording.hellos[0].scenario["delta"] is True
    assert [frame.step for frame in recording.frames] == [0, 1, 2]
    assert None not in recording.frames[2].delta_rms
    assert len(recording.frames[2].delta_rms) == 2


def test_thousands_of_parameters_are_rows_by_module(tmp_path: Path) -> None:
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(1500)])
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(2):
            sum(layer(torch.ones(1, 2)).sum() for layer in model).backward()
            optimizer.step()
    recording = Recording(tmp_path)
    assert len(recording.hellos[0].layers) == 1500
    assert recording.at(1, "grad_norm", "1499") is not None


def test_a_lazy_model_is_watched_before_its_parameters_are_there(tmp_path: Path) -> None:
    model, expected = nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(2)), []
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(16, 4)).square().mean().backward()
            expected.append(gradient_norms(model, ("0", "2")))
            optimizer.step()
    recording = Recording(tmp_path)
    assert [layer.shape for layer in recording.hellos[-1].layers] == [[8, 4], [2, 8]]
    for step, layers in enumerate(expected):
        for layer, value in layers.items():
            assert recording.at(step, "grad_norm", layer) == close_to(value)


class Block(nn.Module):
    """Ends in a layer, after which a checkpoint has nothing to compute again."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(self.first(x).tanh())
        return out


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointed_blocks_have_the_deltas_that_they_have_without(tmp_path: Path, reentrant: bool) -> None:
    """What is computed again stops in the middle of a module. Catches calls that are taken for others' because they never left."""
    recordings = []
    for checkpointed in (False, True):
        torch.manual_seed(0)
        model = nn.Sequential(*[Block() for _ in range(3)])
        optimizer = torch.optim.SGD(model.parameters(), 0.01)
        with gradtui.watch(model, optimizer, run_dir=tmp_path / str(checkpointed), every=1):
            for _ in range(3):
                optimizer.zero_grad()
                x = torch.randn(16, 8, requires_grad=True)
                for block in model:
                    x = checkpoint(block, x, use_reentrant=reentrant) if checkpointed else block(x)
                x.square().mean().backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        recordings.append(Recording(tmp_path / str(checkpointed)))
    plain, again = (recording.frames[-1].delta_rms for recording in recordings)
    assert recordings[0].names == recordings[1].names
    assert None not in plain
    assert again == pytest.approx(plain, rel=1e-5)


def test_another_default_device_is_not_where_the_host_works(tmp_path: Path) -> None:
    model, expected = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), []
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    batches = [torch.randn(16, 4) for _ in range(4)]
    torch.set_default_device("meta")
    try:
        with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
            for factor, x in zip((1.0, 1.0, 1e-30, 1e-30), batches, strict=True):
                optimizer.zero_grad()
                (factor * model(x).square().mean()).backward()
                expected.append(gradient_norms(model, ("0",))["0"])
                optimizer.step()
    finally:
        torch.set_default_device(None)
    recording = Recording(tmp_path)
    assert [recording.at(step, "grad_norm", "0") for step in range(4)] == [close_to(value) for value in expected]


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_have_gradients_and_no_deltas(tmp_path: Path, layout: torch.layout) -> None:
    model, expected = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), []
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        for _ in range(3):
            optimizer.zero_grad()
            nested = torch.nested.nested_tensor([torch.randn(3, 4), torch.randn(5, 4)], layout=layout)
            torch.cat([part.flatten() for part in model(nested).unbind()]).square().mean().backward()  # type: ignore[no-untyped-call]
            expected.append(gradient_norms(model, ("0",))["0"])
            optimizer.step()
        assert run.active
    recording = Recording(tmp_path)
    assert [recording.at(step, "grad_norm", "0") for step in range(3)] == [close_to(value) for value in expected]


def test_inside_a_transform_nothing_is_measured_and_outside_everything(tmp_path: Path) -> None:
    """What `torch.func` passes through the modules means nothing outside of it: kept, it broke the loop's backward pass."""
    torch.manual_seed(0)
    model = nn.Sequential(*[module for _ in range(24) for module in (nn.Linear(8, 8), nn.Tanh())])
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        for _ in range(3):
            optimizer.zero_grad()
            x = torch.randn(16, 8)
            slopes = torch.func.vmap(torch.func.jacrev(model))(x)
            (model(x).square().mean() + slopes.square().mean()).backward()
            value = gradient_norms(model, ("0",))["0"]
            optimizer.step()
        assert run.active
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == [0, 1, 2]
    assert recording.at(2, "grad_norm", "0") == close_to(value)
    assert None not in recording.frames[2].delta_rms


def test_what_goes_wrong_in_a_hook_ends_the_watching_and_not_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("in a hook")

    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    run = gradtui.watch(model, optimizer, run_dir=tmp_path, every=1)

    def train() -> None:
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randn(4, 4)).square().mean().backward()
            optimizer.step()

    train()
    monkeypatch.setattr("gradtui.probe.seen.Seen.add", broken)
    with pytest.warns(UserWarning, match="in a hook"):
        train()
    assert not run.active
    assert "in a hook" in Recording(tmp_path).end.error


def test_a_frozen_base_in_whole_numbers_has_no_norm_and_the_rest_is_watched(tmp_path: Path) -> None:
    class Quantised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = nn.Parameter(torch.ones(4, 4, dtype=torch.int8), requires_grad=False)
            self.adapter = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = x @ self.base.to(x.dtype) + self.adapter(x)
            return out

    model = nn.Sequential(Quantised())
    optimizer = torch.optim.SGD(model[0].adapter.parameters(), 0.01)  # type: ignore[union-attr]
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1):
        for _ in range(2):
            optimizer.zero_grad()
            model(torch.randn(4, 4)).square().mean().backward()
            optimizer.step()
    recording = Recording(tmp_path)
    assert [frame.step for frame in recording.frames] == [0, 1]
    assert recording.at(1, "update_ratio", "0.adapter") is not None


_THREADS = """
import sys, threading, torch, gradtui
from torch import nn
torch.set_num_threads(1)
def train(k):
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with gradtui.watch(model, optimizer, run_dir=f"{sys.argv[1]}/{k}", every=1):
        for _ in range(300):
            optimizer.zero_grad()
            model(torch.randn(16, 6)).square().mean().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
threads = [threading.Thread(target=train, args=(k,)) for k in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_several_loops_in_threads_do_not_look_at_each_others_gradients(tmp_path: Path) -> None:
    """Reading `.grad` while another thread's backward pass replaces it crashed the process."""
    assert subprocess.run([sys.executable, "-c", _THREADS, str(tmp_path)], check=False).returncode == 0
    for k in range(4):
        recording = Recording(tmp_path / str(k))
        assert len(recording.frames) == 300
        assert all(frame.clipped_norm == pytest.approx(min(0.1, frame.total_norm or 0.0), rel=1e-3) for frame in recording.frames)


def test_what_is_logged_before_the_loop_moves_no_loss_to_another_step(tmp_path: Path) -> None:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    losses = []
    with gradtui.watch(model, optimizer, run_dir=tmp_path, every=1) as run:
        run.log(val_loss=3.0)
        for _ in range(5):
            optimizer.zero_grad()
            loss = model(torch.randn(4, 4)).square().mean()
            loss.backward()
            optimizer.step()
            run.log(loss=loss)
            losses.append(loss.item())
    assert [frame.loss for frame in Recording(tmp_path).frames][1:] == [pytest.approx(loss) for loss in losses[1:]]
