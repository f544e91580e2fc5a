"""The parameters of the demo models, checked once.

===================  ================  ==========================================================
``chars_per_second`` every model       the pace; 0 never waits; by default the model's own
``chunk_chars``      every model       the length of a chunk; by default a word
``chars``            ``long``          the length of the answer, 20000 by default
``joinable_s``       ``joined``        how long the answer can be joined, 3600 by default
``failure``          ``fail``          the code of a provider error, `provider_down` by default
``after_chars``      ``fail``          the text before the failure; with 0 every attempt fails
``retry_after_s``    ``fail``          the error's own ``retry_after_s``
``expires_in_s``     ``ask``           how long each question is open; by default without limit
``wait_s``           ``wait``          the end of the sleep, in seconds after the beginning; 10
``until``            ``wait``          or the time of its end, in ISO 8601 with a time zone
===================  ================  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass

from ...shared.errors import BadRequest, InvalidInput
from ...shared.events import from_iso
from ...shared.records import Params
from ...shared.spelling import did_you_mean
from ..base import Parameter
from .failures import CODES

DEFAULT_LONG_CHARS = 20_000
MAX_CHARS = 2_000_000
MAX_CHUNK_CHARS = 65_536
MAX_CHARS_PER_S = 1_000_000
DEFAULT_WAIT_S = 10.0
DEFAULT_JOINABLE_S = 3600.0
MAX_WAIT_S = 366 * 86_400

_ANYWHERE = ("chars_per_second", "chunk_chars")
_ONLY_FOR = {
    "long": ("chars",),
    "joined": ("joinable_s",),
    "fail": ("failure", "after_chars", "retry_after_s"),
    "ask": ("expires_in_s",),
    "wait": ("wait_s", "until"),
}


_PACE = Parameter(name="chars_per_second", kind="number", least=0, most=MAX_CHARS_PER_S)
_PARAMETERS = {
    "long": (Parameter(name="chars", kind="whole", least=0, most=MAX_CHARS),),
    "fail": (Parameter(name="failure", kind="choice", choices=tuple(sorted(CODES))),),
}


def parameters_of(model: str) -> tuple[Parameter, ...]:
    """Return the parameters that the page offers for a model."""
    return (_PACE, *_PARAMETERS.get(model, ()))


@dataclass(frozen=True, kw_only=True)
class DemoParams:
    """The parameters of one answer."""

    chars_per_second: float | None = None  # None: the model's own pace
    chunk_chars: int | None = None  # None: a word
    chars: int = DEFAULT_LONG_CHARS
    failure: str = "provider_down"
    after_chars: int = 0
    retry_after_s: float | None = None
    expires_in_s: float | None = None
    joinable_s: float = DEFAULT_JOINABLE_S
    wait_s: float = DEFAULT_WAIT_S
    until_ms: int | None = None  # None: `wait_s` after the beginning


def parse(model: str, params: Params) -> DemoParams:
    """Check the parameters of a prompt.

    Raises:
        BadRequest: a parameter is unknown to this model, or out of its range.
    """
    names = (*_ANYWHERE, *_ONLY_FOR.get(model, ()))
    for name in params:
        if name not in names:
            raise BadRequest(
                f"'demo/{model}' has no parameter {str(name)[:64]!r}."
                f"{did_you_mean(str(name), names)} It takes: {', '.join(names)}.",
                param=str(name)[:64],
            )
    failure = params.get("failure", "provider_down")
    if not isinstance(failure, str) or failure not in CODES:
        raise BadRequest(
            f"The parameter 'failure' must be one of: {', '.join(sorted(CODES))}.", param="failure"
        )
    return DemoParams(
        chars_per_second=_number(params, "chars_per_second", 0, MAX_CHARS_PER_S),
        chunk_chars=_whole(params, "chunk_chars", None, 1, MAX_CHUNK_CHARS),
        chars=_whole(params, "chars", DEFAULT_LONG_CHARS, 0, MAX_CHARS) or 0,
        failure=failure,
        after_chars=_whole(params, "after_chars", 0, 0, MAX_CHARS) or 0,
        retry_after_s=_number(params, "retry_after_s", 0, 86_400),
        expires_in_s=_number(params, "expires_in_s", 0.001, MAX_WAIT_S),
        joinable_s=_number(params, "joinable_s", 0, MAX_WAIT_S, DEFAULT_JOINABLE_S) or 0.0,
        wait_s=_number(params, "wait_s", 0, MAX_WAIT_S, DEFAULT_WAIT_S) or 0.0,
        until_ms=_time_ms(params, "until"),
    )


def _time_ms(params: Params, name: str) -> int | None:
    value = params.get(name)
    try:
        return None if value is None else from_iso(value)
    except (InvalidInput, OverflowError):
        raise BadRequest(
            f"The parameter {name!r} must be a time in ISO 8601 with its time zone.", param=name
        ) from None


def _number(
    params: Params, name: str, low: float, high: float, default: float | None = None
) -> float | None:
    value = params.get(name, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BadRequest(
            f"The parameter {name!r} must be a number from {low} to {high}.", param=name
        )
    return float(value)


def _whole(params: Params, name: str, default: int | None, low: int, high: int) -> int | None:
    value = params.get(name, default)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise BadRequest(
            f"The parameter {name!r} must be a whole number from {low} to {high}.", param=name
        )
    return value
