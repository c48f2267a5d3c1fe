"""A post-mortem as one HTML file: no scripts, nothing loaded from anywhere, readable in light and in dark."""

from __future__ import annotations

from collections.abc import Sequence

from gradtui import report_svg, report_text
from gradtui.diagnose.report import Report, Spell
from gradtui.diagnose.words import inert, label, span_of, together
from gradtui.report_svg import shown

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --faint: #ccc; --start: #8aa; --worst: #c33; --end: #27c; --theory: #c80; }
@media (prefers-color-scheme: dark) { :root { --ink: #ddd; --paper: #161616; --faint: #444; --start: #577; --worst: #e66; --end: #6af; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 900px;
  margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin-top: 2em; } code, td.code { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top; padding: .25em .6em .25em 0; }
th, td { border-bottom: 1px solid var(--faint); } svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--ink); }
.grid { stroke: var(--faint); stroke-width: .5; } .mark { stroke: var(--worst); stroke-dasharray: 3 3; stroke-width: 2; }
.curve { fill: none; stroke: var(--end); stroke-width: 1.5; } .theory { fill: none; stroke: var(--theory); stroke-width: 2; }
rect.start, .key.start { fill: var(--start); background: var(--start); }
rect.worst, .key.worst { fill: var(--worst); background: var(--worst); }
rect.end, .key.end { fill: var(--end); background: var(--end); } .key.theory { background: var(--theory); }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .3em 0 1em; }
.better { color: #2a2; } .worse, .critical { color: var(--worst); }
""".strip()


def page(report: Report) -> str:
    """The whole document."""
    title = f"{inert(report.run) or 'a recording without its beginning'}: {report_text.outcome(report)}"
    body = [f"<h1>{shown(title)}</h1>", f"<p>{shown(report_text.heading(report).partition(chr(10))[2])}</p>"]
    body += [_first(report), _unjudged(report), _spells(report), _trials(report), _untried(report), _curve(report), *_profiles(report)]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{shown(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(filter(None, body)) + "\n</body></html>\n"


def _first(report: Report) -> str:
    spell = report.first
    if spell is None:
        said = report_text.unwarned(report)
        return f"<p>{said[0].upper()}{said[1:]}.</p>"
    where = f" in {span_of(spell.layers)}" if spell.layers else ""
    head = f"Went wrong first: {label(spell.code)}{where} at step {spell.opened}, {report_text.until(spell)}"
    return f"<h2>{shown(head)}</h2><p>{shown(spell.sentence)}.</p>"


def _unjudged(report: Report) -> str:
    said = "".join(f"<p>{line[0].upper()}{shown(line[1:])}.</p>" for line in report_text.unjudged(report))
    return f"<h2>Could not be judged</h2>{said}" if said else ""


def _spells(report: Report) -> str:
    rows = [
        (_step(spell.attempt, spell.opened, report), _code(spell), span_of(spell.layers), report_text.until(spell))
        for spell in report.spells
    ]
    return _table("Warnings", ("step", "warning", "layers", "until"), [(shown(a), b, shown(c), shown(d)) for a, b, c, d in rows])


def _code(spell: Spell) -> str:
    return f'<span class="{spell.severity}" title="{shown(spell.sentence)}">{shown(label(spell.code))}</span>, {spell.severity}'


def _trials(report: Report) -> str:
    rows = [
        (
            shown(_step(trial.attempt, trial.step, report)),
            f"<code>{shown(report_text.changes(trial))}</code>",
            f'<span class="{trial.verdict}">{shown(report_text.followed(trial))}</span>',
        )
        for trial in report.trials
    ]
    return _table("What was tried", ("step", "change", "what followed"), rows)


def _untried(report: Report) -> str:
    rows = [(f"<code>{shown(together(fix))}</code>", shown(fix.why)) for fix in report.untried]
    return _table("Never tried against it", ("setting", "measured elsewhere"), rows)


def _curve(report: Report) -> str:
    if not report.losses:
        return ""
    last = max((trial.attempt for trial in report.trials), default=0)
    marks = {trial.step: report_text.changes(trial) for trial in report.trials if trial.attempt == last and not trial.restart}
    chart = report_svg.curve(report.losses[-1], marks)
    number = f" of the last of {report.attempts} attempts" if report.attempts > 1 else ""
    return f"<h2>Loss{number}</h2>{chart}" if chart else ""


def _profiles(report: Report) -> list[str]:
    found = []
    for group in report_text.alike(report_text.chosen(report)):
        theory = report.theory if group[0][0] == "start" else None
        chart = report_svg.bars(group, theory)
        keys = [f'<span class="key {name}"></span>{shown(report_text.title(name, shot, report))}' for name, shot in group]
        keys += ['<span class="key theory"></span>theory at initialisation'] if 'class="theory"' in chart else []
        if chart:
            found.append(f"<h2>Profile</h2><p>{'<br>'.join(keys)}</p>{chart}")
    return found


def _step(attempt: int, step: int, report: Report) -> str:
    return f"{step} of attempt {attempt + 1}" if report.attempts > 1 else str(step)


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML already."""
    if not rows:
        return ""
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{title}</h2><table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{body}</table>"
