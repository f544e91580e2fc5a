"""The demo's components: cells from templates, chosen by words of the description.

No model writes the cells, and the first line of each cell says so. The cells need only ipywidgets
and the standard library.
"""

from __future__ import annotations

import re

from ...shared.building import COMPONENT_SYSTEM
from ..base import Prompt

MAX_TITLE_CHARS = 60

_HEAD = """\
# Canned: demo/{model} chose this template ({template}) by words of the description.
import html

import ipywidgets as widgets

TITLE = {title!r}
"""

_SLIDER = '''
slider = widgets.FloatSlider(
    value={value}, min={least}, max={most}, step={step}, description="value"
)
shown = widgets.HTML()


def update(change=None):
    """Show the value and its square."""
    shown.value = f"<b>{{slider.value:g}}</b>, squared <b>{{slider.value ** 2:g}}</b>"


slider.observe(update, names="value")
update()
component = widgets.VBox([widgets.HTML(f"<b>{{html.escape(TITLE)}}</b>"), slider, shown])
component
'''

_TABLE = '''
# Replace the rows by your own data, such as df.to_dict("records").
rows = [
    {{"name": "Ada", "group": "a", "value": 3.2}},
    {{"name": "Grace", "group": "b", "value": 4.8}},
    {{"name": "Edsger", "group": "a", "value": 1.5}},
]
columns = list(rows[0])
query = widgets.Text(description="find", placeholder="any text")
order = widgets.Dropdown(options=columns, description="sort by")
table = widgets.HTML()


def update(change=None):
    """Draw the rows that hold the text, in the chosen order."""
    text = query.value.strip().lower()
    kept = [row for row in rows if any(text in str(row[name]).lower() for name in columns)]
    kept.sort(key=lambda row: row[order.value])
    head = "".join(f"<th>{{html.escape(name)}}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{{html.escape(str(row[name]))}}</td>" for name in columns) + "</tr>"
        for row in kept
    )
    table.value = f"<table><thead><tr>{{head}}</tr></thead><tbody>{{body}}</tbody></table>"


query.observe(update, names="value")
order.observe(update, names="value")
update()
controls = widgets.HBox([query, order])
component = widgets.VBox([widgets.HTML(f"<b>{{html.escape(TITLE)}}</b>"), controls, table])
component
'''

_PLOT = '''
import math

frequency = widgets.FloatSlider(value=2, min=0.5, max=10, step=0.5, description="frequency")
amplitude = widgets.FloatSlider(value=0.8, min=0, max=1, step=0.05, description="amplitude")
plot = widgets.HTML()


def update(change=None):
    """Draw the curve as an SVG picture. Replace the formula by your own data."""
    points = " ".join(
        f"{{x}},{{60 - 50 * amplitude.value * math.sin(x / 300 * frequency.value * math.tau):.1f}}"
        for x in range(0, 301, 3)
    )
    plot.value = (
        '<svg viewBox="0 0 300 120" width="100%" style="max-width: 480px" role="img">'
        f'<polyline points="{{points}}" fill="none" stroke="currentColor" stroke-width="2"/></svg>'
    )


frequency.observe(update, names="value")
amplitude.observe(update, names="value")
update()
component = widgets.VBox(
    [widgets.HTML(f"<b>{{html.escape(TITLE)}}</b>"), frequency, amplitude, plot]
)
component
'''

_BUTTON = '''
count = 0
button = widgets.Button(description="Press", tooltip="Count one more")
shown = widgets.Label("Not pressed yet")


def press(_):
    """Count one press."""
    global count
    count += 1
    shown.value = f"Pressed {{count}} times"


button.on_click(press)
title = widgets.HTML(f"<b>{{html.escape(TITLE)}}</b>")
component = widgets.VBox([title, widgets.HBox([button, shown])])
component
'''

# By words of the description; the first template that fits is used.
_TEMPLATES = (
    ("plot controls", r"plot|chart|curve|graph|wave|histogram|line\b", _PLOT),
    ("table view", r"table|rows?\b|filter|sort|data ?frame|\bdf\b|csv|records", _TABLE),
    ("slider", r"slider|range|number|value|temperature|percent", _SLIDER),
    ("button", r"", _BUTTON),
)
_NUMBER = r"(-?\d{1,9}(?:\.\d{1,6})?)"
_RANGE = re.compile(rf"{_NUMBER}\s*(?:to|and|–|-|\.\.)\s*{_NUMBER}")


def is_asked(prompt: Prompt) -> bool:
    """Return whether a prompt asks for a component."""
    return prompt.system == COMPONENT_SYSTEM


def text(prompt: Prompt) -> str:
    """Return the answer: one sentence, and a cell from a template."""
    request = next((turn.text for turn in prompt.turns if turn.role == "user"), "")
    description = request.partition("\n\n")[2].strip() or request.strip()
    words = description.lower()
    name, _, template = next(each for each in _TEMPLATES if re.search(each[1], words))
    low, high = _range_of(description)
    title = " ".join(description.split())
    title = title if len(title) <= MAX_TITLE_CHARS else f"{title[: MAX_TITLE_CHARS - 1]}…"
    head = _HEAD.format(model=prompt.model, template=name, title=title)
    values = {
        "least": low,
        "most": high,
        "value": (low + high) / 2,
        "step": (high - low) / 100,
    }
    body = template.format(**{key: f"{value:g}" for key, value in values.items()})
    sentence = f"This is a canned component of the demo: a template ({name})."
    return f"{sentence}\n\n```python\n{head}{body}```\n"


def _range_of(description: str) -> tuple[float, float]:
    """Return the range that a description names, such as `from 0 to 50`."""
    match = _RANGE.search(description)
    if match is None:
        return 0.0, 100.0
    low, high = sorted((float(match[1]), float(match[2])))
    return (low, high) if low < high else (low, low + 1)
