"""The demo's components: cells from templates, which run, and hold a description as a text only."""

from __future__ import annotations

from typing import Any

import ipywidgets
import pytest

from jupyter_chat_stream.providers.base import Prompt, text_turn
from jupyter_chat_stream.providers.demo import components
from jupyter_chat_stream.runs.components.builds import code_of
from jupyter_chat_stream.shared.building import COMPONENT_SYSTEM

HOSTILE = "a slider\"\"\" '''\n```\n<img src=x onerror=alert(1)>\\ {title} from -5 to 5"


def built(description: str) -> dict[str, Any]:
    """Run the cell for a description; returns its names."""
    turn = text_turn("user", f"Write the cell for this component:\n\n{description}")
    prompt = Prompt(model="tools", turns=(turn,), system=COMPONENT_SYSTEM)
    assert components.is_asked(prompt)
    names: dict[str, Any] = {}
    exec(code_of(components.text(prompt)), names)
    return names


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("A slider from 10 to 20", ipywidgets.FloatSlider),
        ("A sortable table of my rows", ipywidgets.Dropdown),
        ("A plot with controls", ipywidgets.FloatSlider),
        ("Something to press", ipywidgets.Button),
        (HOSTILE, ipywidgets.FloatSlider),
    ],
)
def test_each_template_makes_a_component(description: str, kind: type) -> None:
    names = built(description)
    assert isinstance(names["component"], ipywidgets.Widget)
    assert any(isinstance(value, kind) for value in names.values())


def test_a_slider_has_the_range_of_its_description_and_shows_its_value() -> None:
    names = built("A slider from 10 to 20")
    slider = names["slider"]
    assert (slider.min, slider.max) == (10, 20)
    slider.value = 12
    assert "144" in names["shown"].value


def test_a_table_is_sorted_and_filtered_and_a_plot_is_drawn_again() -> None:
    table = built("A table")
    table["query"].value = "gra"
    assert ("Grace" in table["table"].value, "Ada" in table["table"].value) == (True, False)
    plot = built("A chart")
    before = plot["plot"].value
    plot["frequency"].value = 5
    assert plot["plot"].value != before


def test_a_description_is_only_a_text_in_its_component() -> None:
    names = built(HOSTILE)
    assert "<img" not in names["component"].children[0].value
    assert (names["slider"].min, names["slider"].max) == (-5, 5)
