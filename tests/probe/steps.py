"""One training step with a probe on it, and the same numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain

import pytest
import torch
from torch import Tensor, nn

from gradtui.probe import Probe
from gradtui.stream.events import Numbers

LR = 0.05
Loss = Callable[[], Tensor]


def probed(model: nn.Module, loss: Loss) -> Probe:
    probe = Probe(model)
    with probe.discovering():
        loss()
    return probe


def take_step(probe: Probe, model: nn.Module, loss: Loss, lr: float = LR) -> None:
    model.zero_grad()
    loss().backward()  # type: ignore[no-untyped-call]
    probe.measure_gradients()
    torch.optim.SGD(model.parameters(), lr).step()


def take_frame(probe: Probe, model: nn.Module, loss: Loss, lr: float = LR) -> dict[str, Numbers]:
    model.zero_grad()
    probe.arm()
    loss().backward()  # type: ignore[no-untyped-call]
    probe.measure_gradients()
    probe.before_update()
    torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr).step()
    return probe.collect()


def column(probe: Probe, fields: dict[str, Numbers], layer: str) -> dict[str, float | None]:
    """The numbers of one layer by field name."""
    place = [found.name for found in probe.layers].index(layer)
    return {name: numbers[place] for name, numbers in fields.items() if numbers}


def weight_statistics(parameters: list[nn.Parameter], lr: float = LR) -> dict[str, float | None]:
    """What SGD's step on these parameters should be reported as; their gradients must be there."""
    gradient = torch.cat([parameter.grad.double().flatten() for parameter in parameters if parameter.grad is not None])
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2] or parameters
    weight = torch.cat([parameter.detach().double().flatten() for parameter in matrices])
    change = torch.cat([parameter.grad.double().flatten() for parameter in matrices if parameter.grad is not None])
    norm = float(gradient.square().sum().sqrt())
    return {
        "grad_norm": norm,
        "grad_norm_min": norm,
        "grad_norm_max": norm,
        "grad_rms": norm / math.sqrt(gradient.numel()),
        "grad_max": float(gradient.abs().max()),
        "grad_zero": float((gradient == 0).double().mean()),
        "grad_subnormal": 0.0,
        "grad_nonfinite": 0.0,
        "weight_norm": float(weight.norm()),
        "update_ratio": lr * float(change.norm()) / float(weight.norm()),
    }


def linear(model: nn.Sequential, index: int) -> nn.Linear:
    module = model[index]
    assert isinstance(module, nn.Linear)
    return module


def weight(module: nn.Module) -> nn.Parameter:
    found = module.weight
    assert isinstance(found, nn.Parameter)
    return found


def gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def same(found: Sequence[float | None], expected: Sequence[float | None], rel: float = 1e-6) -> bool:
    """Whether all are as close as `rel`, and None where None is expected."""
    present = [None if value is None else True for value in expected]
    if present != [None if value is None else True for value in found]:
        return False
    return [value for value in found if value is not None] == pytest.approx([value for value in expected if value is not None], rel=rel)


def rms(gradients: list[Tensor]) -> float:
    entries = torch.cat([gradient.double().flatten() for gradient in gradients])
    return float(entries.square().mean().sqrt())


class Outputs:
    """The outputs of chosen modules, kept with their gradients: the slow, plain way to see what the probe reduces on the fly."""

    def __init__(self, model: nn.Module, names: list[str]) -> None:
        self.of: dict[str, list[Tensor]] = {name: [] for name in names}
        self._handles = [model.get_submodule(name).register_forward_hook(self._keeper(name)) for name in names]

    def _keeper(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(module: nn.Module, args: object, output: object) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            assert isinstance(tensor, Tensor)
            if tensor.requires_grad:
                tensor.retain_grad()
            self.of[name].append(tensor)

        return keep

    def delta(self, name: str) -> float:
        return rms([tensor.grad for tensor in self.of[name] if tensor.grad is not None])

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()


def count_hooks(*models: nn.Module) -> int:
    modules = chain.from_iterable(model.modules() for model in models)
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks) for module in modules)
