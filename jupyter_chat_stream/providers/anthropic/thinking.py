"""The amount of thinking: ``thinking`` and ``effort`` in the terms of a model's generation.

======================  ==================  ===============================================
``thinking``            up to Claude 4.5    from Claude 4.6 on
======================  ==================  ===============================================
``{"budget_tokens"}``   that budget         adaptive; the budget becomes an effort
``True``                a budget of 8192    adaptive
``False``               none                the least that the model allows
not given               none                Claude 5 thinks anyway: shown as a summary
======================  ==================  ===============================================

Other models, at other addresses, take a budget as well; ``False`` turns their thinking off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...shared.errors import BadRequest
from .models import is_claude, takes_thinking_budget, thinks_unasked
from .params import MIN_THINKING_BUDGET_TOKENS, ClaudeParams, Effort

if TYPE_CHECKING:
    from anthropic.types import ThinkingConfigAdaptiveParam, ThinkingConfigParam

DEFAULT_THINKING_BUDGET_TOKENS = 8_192

# Without `display` the newer models send thinking blocks that are empty.
_SUMMARIZED_THINKING: ThinkingConfigAdaptiveParam = {"type": "adaptive", "display": "summarized"}
_HIDDEN_THINKING: ThinkingConfigAdaptiveParam = {"type": "adaptive", "display": "omitted"}


def choose(
    model: str, params: ClaudeParams, max_tokens: int
) -> tuple[ThinkingConfigParam | None, Effort | None]:
    """Return the thinking and the effort to ask the model for; None leaves the field out.

    Raises:
        BadRequest: the budget leaves no token for the answer.
    """
    if params.budget_tokens is not None:
        _check_budget(params.budget_tokens, max_tokens)
    if takes_thinking_budget(model):
        if params.thinks is False and not is_claude(model):
            return {"type": "disabled"}, params.effort
        return (_budget(params, max_tokens) if params.thinks else None), params.effort
    if params.thinks:
        return _SUMMARIZED_THINKING, params.effort or _effort_of(params.budget_tokens)
    if not thinks_unasked(model):
        return None, params.effort
    if params.thinks is None:
        return _SUMMARIZED_THINKING, params.effort
    # Some of these models cannot stop thinking. All of them take a low effort.
    return _HIDDEN_THINKING, params.effort or "low"


def _budget(params: ClaudeParams, max_tokens: int) -> ThinkingConfigParam:
    budget = params.budget_tokens
    if budget is None:
        # At most half of all tokens, so that an answer still fits after the thinking.
        budget = min(DEFAULT_THINKING_BUDGET_TOKENS, max_tokens // 2)
        budget = max(budget, MIN_THINKING_BUDGET_TOKENS)
        _check_budget(budget, max_tokens)
    return {"type": "enabled", "budget_tokens": budget}


def _check_budget(budget: int, max_tokens: int) -> None:
    if budget >= max_tokens:
        raise BadRequest(
            f"Thinking may take {budget} tokens, but the whole answer only {max_tokens}. "
            "Lower thinking.budget_tokens or raise max_tokens.",
            param="thinking",
        )


def _effort_of(budget: int | None) -> Effort | None:
    if budget is None:
        return None
    return "low" if budget <= 2_048 else "medium" if budget <= 8_192 else "high"
