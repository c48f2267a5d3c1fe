"""The table of rules: each pathology's levels, its judge, and what closes it.

A level asks for consecutive records (frames that the rule could judge), so that a spike is not a pathology.
"""

from __future__ import annotations

from gradtui.diagnose.hysteresis import Level, Rule
from gradtui.diagnose.layer_rules import dead_units, update_too_large
from gradtui.diagnose.nonfinite import nonfinite
from gradtui.diagnose.profile_rules import exploding, vanishing

RULES: tuple[Rule, ...] = (
    Rule("non-finite", (Level("warning", 1), Level("critical", 1)), nonfinite, close=None),
    Rule("update-too-large", (Level("warning", 3), Level("critical", 1)), update_too_large, close=Level("", 1, steps=20)),
    Rule("vanishing", (Level("warning", 4), Level("critical", 4)), vanishing, close=Level("", 4)),
    Rule(
        "exploding",
        (Level("information", 1), Level("critical", 1), Level("information", 2), Level("critical", 1)),
        exploding,
        close=Level("", 2),
    ),
    Rule("dead-units", (Level("information", 3), Level("critical", 3)), dead_units, close=Level("", 3)),
)
"""In the order in which they are judged: exploding asks whether the first two are open."""
