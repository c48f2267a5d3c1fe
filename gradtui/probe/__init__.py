"""Per-layer measurement on any nn.Module: what the lab and watch share."""

from gradtui.probe.measure import Probe

__all__ = ["Probe"]
