"""Per-layer measurement on any nn.Module: what the lab and watch share."""

from gradtui.probe.measure import Probe, discovering, probes

__all__ = ["Probe", "discovering", "probes"]
