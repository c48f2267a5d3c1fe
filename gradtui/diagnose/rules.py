"""The table of rules: each pathology's levels, its judge, and what closes it.

A level asks for consecutive records (frames that the rule could judge), so that a spike is not a pathology.
"""

from __future__ import annotations

from gradtui.diagnose.hysteresis import Level, Rule
from gradtui.diagnose.loss_rules import clipping_too_low, divergence, plateau
from gradtui.diagnose.nonfinite import nonfinite
from gradtui.diagnose.profile_rules import exploding, penalty_hides_vanishing, vanishing
from gradtui.diagnose.symmetry_rules import symmetry
from gradtui.diagnose.unit_rules import dead_units, saturated, underflow
from gradtui.diagnose.update_rules import no_gradient, update_too_large, update_too_small

RULES: tuple[Rule, ...] = (
    Rule("non-finite", (Level("warning", 1), Level("critical", 1)), nonfinite, close=None, frames=1),
    Rule(
        "update-too-large",
        (Level("information", 1), Level("warning", 3), Level("critical", 2), Level("critical", 1)),
        update_too_large,
        close=Level("", 1, steps=20),
        frames=1,
    ),
    Rule(
        "divergence",
        (Level("information", 1), Level("warning", 8), Level("critical", 1)),
        divergence,
        close=Level("", 5),
        frames=6,
    ),
    Rule("no-gradient", (Level("warning", 3),), no_gradient, close=Level("", 1), frames=3),
    Rule("vanishing", (Level("warning", 4), Level("critical", 4)), vanishing, close=Level("", 4), frames=6, profile=True),
    Rule(
        "exploding",
        (Level("information", 1), Level("critical", 1), Level("information", 2), Level("critical", 1)),
        exploding,
        close=Level("", 2),
        frames=1,
        profile=True,
    ),
    Rule("dead-units", (Level("information", 3), Level("critical", 3)), dead_units, close=Level("", 3), frames=3),
    Rule("underflow", (Level("warning", 3), Level("critical", 3)), underflow, close=Level("", 3), frames=3),
    Rule("symmetry", (Level("information", 1), Level("critical", 1)), symmetry, close=Level("", 3), frames=1),
    Rule("penalty-hides-vanishing", (Level("warning", 4),), penalty_hides_vanishing, close=Level("", 4), frames=6, profile=True),
    Rule("update-too-small", (Level("warning", 2, steps=20),), update_too_small, close=Level("", 3), frames=2, steps=40),
    Rule("saturated", (Level("information", 3),), saturated, close=Level("", 3), frames=3),
    Rule("clipping-too-low", (Level("information", 1), Level("warning", 1)), clipping_too_low, close=Level("", 3), frames=10, steps=101),
    Rule("plateau", (Level("information", 1), Level("warning", 3), Level("critical", 1)), plateau, close=Level("", 3), frames=5, steps=101),
)
"""In the order in which they are judged: exploding asks whether the first three are open, a plateau which of all are."""
