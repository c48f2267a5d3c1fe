"""What is overheard of a loop's clipping."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradtui.probe.overheard import Known
from gradtui.watching import seams


class Ear:
    def __init__(self) -> None:
        self.listens = True
        self.heard: list[tuple[list[Tensor], Known | None]] = []

    def clipping(self, gradients: Sequence[Tensor], known: Known | None) -> None:
        self.heard.append(([gradient.clone() for gradient in gradients], known))

    def scaler_stepping(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None: ...

    def scaler_stepped(self, scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None: ...


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()
    seams.listen(ear)
    yield ear
    seams.leave(ear)


def parameters(last: torch.dtype = torch.float32) -> list[nn.Parameter]:
    found = [nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(5, dtype=last))]
    for parameter in found:
        parameter.grad = torch.randn_like(parameter)
    return found


@pytest.mark.parametrize("foreach", [None, False])
def test_norms_that_the_loop_takes_are_told_with_the_gradients_as_they_were_before(ear: Ear, foreach: bool | None) -> None:
    own = parameters()
    before = [parameter.grad.clone() for parameter in own if parameter.grad is not None]
    total = nn.utils.clip_grad_norm_(own, 1e-3, foreach=foreach)
    (gradients, known), *scaling = ear.heard
    assert all(torch.equal(a, b) for a, b in zip(gradients, before, strict=True))
    assert known is not None
    assert all(a is b.grad for a, b in zip(known.tensors, own, strict=True))
    assert known.norms.tolist() == pytest.approx([float(old.norm()) for old in before])
    assert float(total) == pytest.approx(sum(float(old.norm()) ** 2 for old in before) ** 0.5)
    assert [known for _, known in scaling] == [None]


@pytest.mark.parametrize("how", [{"norm_type": float("inf")}, {"norm_type": 1.0}], ids=str)
def test_other_norms_are_not_taken_for_these(ear: Ear, how: dict[str, float]) -> None:
    nn.utils.clip_grad_norm_(parameters(), 1e-3, **how)  # type: ignore[arg-type]
    assert ear.heard[0][1] is None


def test_norms_that_are_not_taken_in_the_gradients_order_are_not_told(ear: Ear) -> None:
    own = parameters(torch.float64)
    nn.utils.clip_grad_norm_([own[2], own[0], own[1]], 1e-3)
    assert [len(gradients) for gradients, _ in ear.heard] == [3, 3]
    assert ear.heard[0][1] is None


def test_several_threads_may_clip_at_once_and_torchs_own_function_is_back_after_them(ear: Ear) -> None:
    original = torch.linalg.vector_norm
    both_take = threading.Barrier(2)

    class Waits(torch.Tensor):
        """Its norm is taken when both threads take one."""

        @classmethod
        def __torch_function__(cls, function: Callable[..., object], types: object, args: Any = (), kwargs: Any = None) -> object:
            if function is torch._foreach_norm:
                both_take.wait(60)
            return super().__torch_function__(function, types, args, kwargs or {})  # type: ignore[no-untyped-call]

    def clip() -> None:
        own = nn.Parameter(torch.zeros(3))
        own.grad = torch.randn(3).as_subclass(Waits)
        nn.utils.clip_grad_norm_([own], 1e-3, foreach=True)

    threads = [threading.Thread(target=clip) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(known is not None for _, known in ear.heard) == 2
    assert torch.linalg.vector_norm is original


def test_who_does_not_listen_is_not_told(ear: Ear) -> None:
    ear.listens = False
    nn.utils.clip_grad_norm_(parameters(), 1e-3)
    nn.utils.clip_grad_value_(parameters(), 1e-3)
    assert ear.heard == []


def test_clipping_by_value_and_an_error_are_told_and_nothing_is_left_over(ear: Ear) -> None:
    own = parameters()
    nn.utils.clip_grad_value_(own, 1e-3)
    own[0].grad = torch.full((3, 2), torch.nan)
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(own, 1e-3, error_if_nonfinite=True)
    nn.utils.clip_grad_value_(own, 1e-3)
    known = [known for _, known in ear.heard]
    assert (known[0], known[2]) == (None, None)
    assert known[1] is not None
    assert len(known[1].tensors) == 3


@pytest.mark.parametrize("missing", seams._FUNCTIONS, ids=[name for _, name, _ in seams._FUNCTIONS])
def test_a_torch_without_one_of_the_functions_is_left_without_it(
    monkeypatch: pytest.MonkeyPatch, missing: tuple[ModuleType, str, Callable[..., object]]
) -> None:
    module, name, _ = missing
    monkeypatch.delattr(module, name)
    ear = Ear()
    seams.listen(ear)
    try:
        if name != seams.GROUPING:
            nn.utils.clip_grad_value_(parameters(), 1e-3)
    finally:
        seams.leave(ear)
    assert len(ear.heard) == (name != seams.GROUPING)
    assert not hasattr(module, name)
