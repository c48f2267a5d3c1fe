"""The lab: preset scenarios, their toggles, and the process that trains them."""
