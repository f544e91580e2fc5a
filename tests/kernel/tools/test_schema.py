"""From a function to the schema that a model reads, and from a model's input to a call."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Optional

import numpy
import pandas
import pytest
from pydantic import BaseModel, Field

from jupyter_chat_stream import WrongCall
from jupyter_chat_stream.kernel.tools.docstrings import read_docstring
from jupyter_chat_stream.kernel.tools.function import function_tool
from jupyter_chat_stream.kernel.tools.schema import FunctionSchema, InputRefused


@dataclass
class Window:
    start: int
    days: int = 7
    tags: list[str] = field(default_factory=list)


class Filter(BaseModel):
    column: str
    above: float | None = None


class Season(enum.Enum):
    SPRING = "spring"
    AUTUMN = "autumn"


def called(function: Any, given: Any) -> Any:
    """Call a function as a model's input calls it."""
    bound = FunctionSchema(function, function.__name__).arguments(given)
    return function(*bound.args, **bound.kwargs)


def test_a_schema_has_the_names_types_and_defaults_of_the_signature() -> None:
    def churn(month: str, top: int = 5, kind: Literal["new", "old"] = "new") -> None:
        """Tell the churn of a month."""

    schema = FunctionSchema(churn, "churn")
    assert schema.description == "Tell the churn of a month."
    assert schema.json == {
        "type": "object",
        "properties": {
            "month": {"type": "string"},
            "top": {"type": "integer", "default": 5},
            "kind": {"type": "string", "enum": ["new", "old"], "default": "new"},
        },
        "required": ["month"],
        "additionalProperties": False,
    }


def test_dataclasses_models_enums_and_lists_arrive_as_themselves() -> None:
    def show(window: Window, filters: list[Filter], season: Season, note: Optional[str]) -> Any:  # noqa: UP045
        return window, filters, season, note

    given = {
        "window": {"start": 3, "tags": ["a"]},
        "filters": [{"column": "rate", "above": 0.5}],
        "season": "autumn",
        "note": None,
    }
    assert called(show, given) == (
        Window(start=3, tags=["a"]),
        [Filter(column="rate", above=0.5)],
        Season.AUTUMN,
        None,
    )


def test_names_that_pydantic_keeps_for_itself_are_ordinary_parameters() -> None:
    def odd(schema: int, copy: int, model_config: int, _hidden: int, self: int) -> Any:
        return schema, copy, model_config, _hidden, self

    names = ["schema", "copy", "model_config", "_hidden", "self"]
    assert list(FunctionSchema(odd, "odd").json["properties"]) == names
    assert called(odd, {name: n for n, name in enumerate(names)}) == (0, 1, 2, 3, 4)


def test_a_parameter_without_annotation_takes_any_json() -> None:
    def show(value, more=None):  # type: ignore[no-untyped-def]
        return value, more

    assert FunctionSchema(show, "show").json["properties"]["value"] == {}
    assert called(show, {"value": [1, {"a": None}]}) == ([1, {"a": None}], None)


def test_a_default_that_is_no_json_stays_the_functions_own() -> None:
    array = numpy.zeros(3)

    def show(value: Any = array, *, last: int = 1) -> Any:
        return value, last

    json.dumps(FunctionSchema(show, "show").json)
    value, last = called(show, {"last": 2})
    assert value is array
    assert last == 2


def test_positional_only_parameters_can_be_left_out() -> None:
    def show(a: int, b: int = 2, /, c: int = 3) -> Any:
        return a, b, c

    assert called(show, {"a": 1, "c": 5}) == (1, 2, 5)


def test_an_input_that_does_not_fit_is_refused_with_what_to_change() -> None:
    def churn(month: str, top: int = 5) -> None: ...

    with pytest.raises(InputRefused) as refused:
        called(churn, {"top": "many", "colour": "x" * 1000})
    told = str(refused.value)
    assert "- month: Field required" in told
    assert "- top: Input should be a valid integer" in told
    assert '(given: "many")' in told
    assert "- colour: Extra inputs are not permitted" in told
    assert told.endswith("It takes: month, top (optional).")
    assert len(told) < 800
    with pytest.raises(InputRefused, match="- input: Input should be a valid dictionary"):
        called(churn, [1, 2])


def test_what_no_model_can_call_is_refused_when_it_is_registered() -> None:
    def stars(*values: int) -> None: ...
    def doubled(**values: int) -> None: ...
    def framed(rows: pandas.DataFrame) -> None: ...
    def lost(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function, words in (
        (stars, r"has the parameter \*values"),
        (doubled, r"has the parameter \*\*values"),
        (framed, "'rows' of 'framed' is a DataFrame.*take its name as a str"),
        (lost, "names 'Nowhere', which is not defined"),
    ):
        with pytest.raises(WrongCall, match=words):
            FunctionSchema(function, function.__name__)


def tool(function: Any, **options: Any) -> Any:
    defaults: dict[str, Any] = {
        "name": None,
        "description": None,
        "effect": "run",
        "idempotent": False,
    }
    return function_tool(function, **{**defaults, **options})


def test_a_definition_has_a_name_that_every_provider_takes() -> None:
    def größe() -> None: ...

    with pytest.raises(WrongCall, match="cannot be the name of a tool"):
        tool(größe)
    with pytest.raises(WrongCall, match="'<lambda>' cannot be the name"):
        tool(lambda: 1)
    with pytest.raises(WrongCall, match="not a value of type int"):
        tool(3)
    with pytest.raises(WrongCall, match="effect must be 'read', 'change' or 'run', not 'write'"):
        tool(größe, name="size", effect="write")
    made = tool(größe, name="size", effect="read", idempotent=True, description="The size.")
    assert made.definition == {
        "name": "size",
        "description": "The size.",
        "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
        "where": "kernel",
        "effect": "read",
        "idempotent": True,
        "source": "function",
    }


def test_a_definition_that_is_too_large_is_refused() -> None:
    def huge(value: Annotated[int, Field(description="x" * 40_000)]) -> None: ...

    with pytest.raises(WrongCall, match="bytes, and at most 32,000 are sent"):
        tool(huge)


@pytest.mark.parametrize(
    "text",
    [
        """Tell the churn
        of a month.

        It reads the table.

        Args:
            month: the month,
                as 2026-01
            top (int): how many rows

        Returns:
            text: a table
        """,
        """Tell the churn of a month.

        Parameters
        ----------
        month : str
            the month,
            as 2026-01
        top : int, optional
            how many rows

        Returns
        -------
        str
            a table
        """,
        """Tell the churn of a month.
        :param str month: the month,
            as 2026-01
        :param top: how many rows
        :returns: a table
        """,
    ],
)
def test_docstrings_of_three_styles_describe_function_and_parameters(text: str) -> None:
    read = read_docstring(text)
    assert read.description == "Tell the churn of a month."
    assert read.parameters == {"month": "the month, as 2026-01", "top": "how many rows"}


def test_a_function_without_docstring_has_no_description() -> None:
    assert read_docstring(None).description == ""
    assert read_docstring("Only a line.").parameters == {}
