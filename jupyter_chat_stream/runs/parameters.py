"""Checks the parameters of a thread against a model.

A thread keeps its parameters when its model changes. A run passes on only the parameters that its
model offers (``Model.parameters``) and whose values fit. With other parameters, the provider would
refuse each message of the thread.
"""

from __future__ import annotations

from typing import Any

from ..providers.base import Model, Parameter
from ..shared.errors import InvalidInput
from ..shared.json_objects import JsonObject, JsonView
from ..shared.spelling import did_you_mean


def taken_by(model: Model, params: JsonView) -> JsonObject:
    """Return the parameters that a model offers and whose values fit."""
    return {
        parameter.name: params[parameter.name]
        for parameter in model.parameters
        if parameter.name in params and _fits(parameter, params[parameter.name])
    }


def check(model: Model, params: JsonView) -> None:
    """Check the parameters of a thread against its model.

    Raises:
        InvalidInput: the model does not offer a parameter, or a value does not fit.
    """
    parameters = {parameter.name: parameter for parameter in model.parameters}
    for name, value in params.items():
        parameter = parameters.get(name)
        if parameter is None:
            raise InvalidInput(
                f"The model {model.label!r} offers no parameter {name[:64]!r} for a thread."
                f"{did_you_mean(name, parameters)} It offers: {', '.join(parameters) or 'none'}.",
                field="params",
            )
        if not _fits(parameter, value):
            raise InvalidInput(
                f"The parameter {name!r} of {model.label!r} must be {_describe(parameter)}.",
                field="params",
            )


def _fits(parameter: Parameter, value: Any) -> bool:
    if parameter.kind == "choice":
        return value in parameter.choices
    kinds = (int,) if parameter.kind == "whole" else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    is_enough = parameter.least is None or value >= parameter.least
    return is_enough and (parameter.most is None or value <= parameter.most)


def _describe(parameter: Parameter) -> str:
    if parameter.kind == "choice":
        return f"one of {', '.join(parameter.choices)}"
    lower_bound = "" if parameter.least is None else f" from {parameter.least:g}"
    upper_bound = "" if parameter.most is None else f" up to {parameter.most:,.15g}"
    return f"a {'whole ' if parameter.kind == 'whole' else ''}number{lower_bound}{upper_bound}"
