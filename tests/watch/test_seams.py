"""What is overheard of a loop's clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from gradtui.probe.quick import Known
from gradtui.watching import seams


class Ear:
    def __init__(self) -> None:
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


def parameters() -> list[nn.Parameter]:
    found = [nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(5, dtype=torch.float64))]
    for parameter in found:
        parameter.grad = torch.randn_like(parameter)
    return found


def test_norms_that_the_loop_takes_are_told_with_the_gradients_as_they_were_before(ear: Ear) -> None:
    own = parameters()
    before = [parameter.grad.clone() for parameter in own if parameter.grad is not None]
    total = nn.utils.clip_grad_norm_(own, 1e-3)
    (gradients, known), *scaling = ear.heard
    assert all(torch.equal(a, b) for a, b in zip(gradients, before, strict=True))
    assert known is not None
    found = {id(tensor): float(norm) for tensor, norm in zip(known.tensors, known.norms, strict=True)}
    assert found == {id(parameter.grad): pytest.approx(float(old.norm())) for parameter, old in zip(own, before, strict=True)}
    assert float(total) == pytest.approx(sum(float(old.norm()) ** 2 for old in before) ** 0.5)
    assert [known for _, known in scaling] == [None]


@pytest.mark.parametrize("how", [{"norm_type": float("inf")}, {"norm_type": 1.0}, {"foreach": False}], ids=str)
def test_other_norms_are_not_taken_for_these(ear: Ear, how: dict[str, float]) -> None:
    nn.utils.clip_grad_norm_(parameters(), 1e-3, **how)  # type: ignore[arg-type]
    assert ear.heard[0][1] == Known([], [])


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
