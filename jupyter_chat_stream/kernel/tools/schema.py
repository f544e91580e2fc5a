"""Makes the schema of a tool from a function's signature, and arguments from a model's input.

pydantic does both. It is imported with the first tool, because a chat without tools does not need
it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...shared.errors import WrongCall
from ...shared.json_objects import JsonObject, JsonView
from .docstrings import read_docstring

MAX_NAMED_ERRORS = 8
MAX_VALUE_CHARS = 120
PLAIN_DEFAULTS = (str, int, float, bool, type(None))
PARAMETER_TYPES = (
    "str, int, float, bool, None, list, dict, Literal, Optional, datetime, Enum, dataclasses and "
    "pydantic's models"
)
_STARS: Mapping[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


class InputRefused(ValueError):
    """The input of a call does not fit the tool. The message is for the model, not for a person."""


class FunctionSchema:
    """The parameters of a function, as JSON Schema and as a check of inputs."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._name = name
        self._parameters = _parameters_of(function, name)
        docstring = read_docstring(inspect.getdoc(function))
        self.description = docstring.description
        self._model = _model_of(self._parameters, docstring.parameters, name)
        self.json = _json_schema(self._model, name)

    def arguments(self, call_input: Any) -> inspect.BoundArguments:
        """Return the arguments of a call. A missing parameter keeps its own default.

        Raises:
            InputRefused: the input does not fit.
        """
        from pydantic import ValidationError

        try:
            model = self._model.model_validate(call_input)
        except ValidationError as error:
            raise InputRefused(_describe_errors(error, self._name, self.json)) from None
        bound = inspect.BoundArguments(inspect.Signature(self._parameters), {})
        for n, parameter in enumerate(self._parameters):
            if _field(n) in model.model_fields_set:
                bound.arguments[parameter.name] = getattr(model, _field(n))
            elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                bound.arguments[parameter.name] = parameter.default  # later parameters may be set
        return bound


def _field(n: int) -> str:
    """Return the name of a parameter in pydantic's model, because pydantic reserves some names."""
    return f"p{n}"


def _parameters_of(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise WrongCall(
            f"chat.tool(): an annotation of {name!r} names {error.name!r}, which is not defined "
            "where the function is. Define it at the top level of the notebook or module.",
            option="function",
        ) from None
    except (TypeError, ValueError):
        raise WrongCall(
            f"chat.tool(): {name!r} has no signature that Python can read (a function written in "
            "C?). Wrap it in a function of your own: def tool(x: float): return …",
            option="function",
        ) from None
    for parameter in signature.parameters.values():
        stars = _STARS.get(parameter.kind)
        if stars:
            raise WrongCall(
                f"chat.tool(): {name!r} has the parameter {stars}{parameter.name}, and a model "
                "must know the name and type of each parameter. Write them out, or take one "
                "parameter that is a list or a dict.",
                option="function",
            )
    return list(signature.parameters.values())


def _model_of(
    parameters: Sequence[inspect.Parameter], descriptions: Mapping[str, str], name: str
) -> Any:
    """Make pydantic's model of the parameters."""
    from pydantic import ConfigDict, PydanticUserError, create_model

    fields: JsonObject = {}
    for n, parameter in enumerate(parameters):
        is_free = parameter.annotation is inspect.Parameter.empty
        annotation = Any if is_free else parameter.annotation
        fields[_field(n)] = (annotation, _field_info(parameter, descriptions.get(parameter.name)))
        try:
            create_model(name, **{_field(n): fields[_field(n)]})
        except (PydanticUserError, TypeError) as error:
            type_name = getattr(annotation, "__name__", None) or str(annotation)
            raise WrongCall(
                f"chat.tool(): the parameter {parameter.name!r} of {name!r} is a {type_name}, "
                f"which a model cannot write as JSON. A parameter can be: {PARAMETER_TYPES}. "
                "To let the model choose an object of the notebook, take its name as a str.",
                option="function",
            ) from error
    config = ConfigDict(extra="forbid", title=name)
    return create_model(name, __config__=config, **fields)


def _field_info(parameter: inspect.Parameter, description: str | None) -> Any:
    from pydantic import Field

    options: JsonObject = {"alias": parameter.name}
    if description is not None:
        options["description"] = description
    default = parameter.default
    if default is inspect.Parameter.empty:
        return Field(**options)
    if isinstance(default, PLAIN_DEFAULTS):
        return Field(default, **options)
    # The call uses the function's own default, so pydantic must not copy it into the schema.
    return Field(default_factory=lambda: None, **options)


def _json_schema(model: Any, name: str) -> JsonObject:
    from pydantic import PydanticUserError
    from pydantic.json_schema import GenerateJsonSchema

    class QuietSchema(GenerateJsonSchema):
        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    try:
        schema: JsonObject = model.model_json_schema(schema_generator=QuietSchema)
        json.dumps(schema, allow_nan=False)
    except (PydanticUserError, TypeError, ValueError) as error:
        raise WrongCall(
            f"chat.tool(): the parameters of {name!r} have no schema in JSON "
            f"({str(error).splitlines()[0][:200]}). A parameter can be: {PARAMETER_TYPES}.",
            option="function",
        ) from error
    schema.pop("title", None)
    for part in (schema, *schema.get("$defs", {}).values()):
        for property_schema in part.get("properties", {}).values():
            if isinstance(property_schema, dict):
                property_schema.pop("title", None)  # it only repeats the name
    schema.setdefault("properties", {})
    return schema


def _describe_errors(error: Any, name: str, schema: JsonView) -> str:
    """Tell the model which input does not fit, and which parameters the tool takes."""
    lines = [f"The input does not fit the tool {name!r}, which was not called:"]
    errors = error.errors(include_url=False, include_context=False)
    for each in errors[:MAX_NAMED_ERRORS]:
        place = ".".join(map(str, each["loc"])) or "input"
        value_text = "" if each["type"] == "missing" else f" (given: {_short(each['input'])})"
        lines.append(f"- {place}: {each['msg']}{value_text}")
    if len(errors) > MAX_NAMED_ERRORS:
        lines.append(f"- and {len(errors) - MAX_NAMED_ERRORS} more")
    required = set(schema.get("required", ()))
    names = [each if each in required else f"{each} (optional)" for each in schema["properties"]]
    lines.append(f"It takes: {', '.join(names) or 'no parameters'}.")
    return "\n".join(lines)


def _short(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"
