"""Per-layer measurement on any nn.Module: what the lab and watch share."""
