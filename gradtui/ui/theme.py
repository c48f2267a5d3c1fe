"""The colours: blue for what is, orange for what is wrong; told apart by people who confuse red with green.

Styles name these variables (app.tcss), never colours, so that another theme changes them all. Terminals with 16 colours
get a theme of their own, because the nearest of 16 to a subtle shade is often black on black.
"""

from __future__ import annotations

from textual.theme import Theme

FULL = Theme(
    name="gradtui",
    primary="#4f9fe0",
    secondary="#7fb8e8",
    accent="#f5a04e",
    warning="#f2b866",
    error="#ff8f3f",
    success="#5fb0ea",
    foreground="#d3dae3",
    background="#0e1318",
    surface="#141b22",
    panel="#1a232c",
    dark=True,
    variables={
        "faint": "#73808e",
        "ghost": "#f3f6fa",
        "theory": "#8fd0c8",
        "curve": "#7fb8e8",
        "mark": "#a97b45",
        "on-alarm": "#14100a",
        "cursor": "#2b4158",
        "footer-key-foreground": "#f5a04e",
        "footer-background": "#141b22",
        "input-selection-background": "#2b4158",
    },
)

SIXTEEN = Theme(
    name="gradtui-16",
    primary="#0000ff",
    secondary="#00ffff",
    accent="#ffff00",
    warning="#ffff00",
    error="#ffff00",
    success="#00ffff",
    foreground="#c0c0c0",
    background="#000000",
    surface="#000000",
    panel="#000000",
    dark=True,
    variables={
        "faint": "#808080",
        "ghost": "#ffffff",
        "theory": "#00ffff",
        "curve": "#00ffff",
        "mark": "#ffff00",
        "on-alarm": "#000000",
        "cursor": "#000080",
        "footer-key-foreground": "#ffff00",
        "footer-background": "#000000",
    },
)
