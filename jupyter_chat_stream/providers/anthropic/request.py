"""From a prompt to the arguments of ``messages.create``: pure, no SDK, no I/O.

What the API refuses and we can know beforehand is put right here (blank turns, blanks at the end
of an assistant's turn, more than four cache marks, a reply cut half way) or refused with a
sentence (unknown parameters, sampling).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ...shared.errors import BadRequest
from ...shared.spelling import did_you_mean
from ..base import Model, Prompt, Turn
from .models import takes_thinking_budget, thinks_unasked

MAX_CACHE_MARKS = 4  # the API's limit for one request
DEFAULT_MAX_TOKENS = 32_000
MIN_THINKING_BUDGET_TOKENS = 1024  # the API's
DEFAULT_THINKING_BUDGET_TOKENS = 8_192
EFFORTS = ("low", "medium", "high", "xhigh", "max")
SAMPLING = ("temperature", "top_p", "top_k")
PARAMS = ("effort", "stop_sequences", "thinking", "tool_choice")

# A model from Claude 4.6 on refuses a trailing assistant turn, so a cut reply is gone on with by
# a user's turn. The fake server of the tests knows it by its first words.
CONTINUE_MARK = "[The connection broke while you were writing your last reply.]"
CONTINUE_TAIL_CHARS = 80

_CACHE: Mapping[str, str] = {"type": "ephemeral"}


def build(prompt: Prompt, model: Model) -> dict[str, Any]:
    """Return the arguments of ``messages.create`` for a prompt.

    Raises:
        BadRequest: the prompt holds what the API does not take.
    """
    _check_names(prompt.params)
    max_tokens = prompt.max_tokens or min(model.max_output_tokens, DEFAULT_MAX_TOKENS)
    arguments: dict[str, Any] = {
        "model": prompt.model,
        "max_tokens": max_tokens,
        "messages": _messages(prompt),
        "stream": True,
    }
    if prompt.system and prompt.system.strip():
        arguments["system"] = [_text_block(prompt.system, cache=True)]
    if prompt.tools:
        arguments["tools"] = [dict(tool) for tool in prompt.tools]
    arguments.update(_thinking(prompt, max_tokens))
    for name, check in (("stop_sequences", _is_stop_list), ("tool_choice", _is_tool_choice)):
        if name in prompt.params:
            arguments[name] = _checked(prompt.params, name, check)
    return arguments


def _check_names(params: Mapping[str, Any]) -> None:
    for name in params:
        if name in SAMPLING:
            raise BadRequest(
                f"The Claude API takes no {name} any more (since its version 2026-10-21). "
                "Leave it out; 'effort' steers how much the model thinks.",
                param=name,
            )
        if name not in PARAMS:
            raise BadRequest(
                f"The Claude provider has no parameter {name!r}.{did_you_mean(name, PARAMS)} "
                f"It takes: {', '.join(PARAMS)}.",
                param=name,
            )


def _checked(params: Mapping[str, Any], name: str, check: Callable[[Any], str | None]) -> Any:
    wanted = check(params[name])
    if wanted is not None:
        raise BadRequest(f"The parameter {name!r} must be {wanted}.", param=name)
    return params[name]


def _is_stop_list(value: Any) -> str | None:
    fits = isinstance(value, (list, tuple)) and all(isinstance(v, str) and v for v in value)
    return None if fits else "a list of texts that are not empty"


def _is_tool_choice(value: Any) -> str | None:
    fits = isinstance(value, Mapping) and value.get("type") in ("auto", "any", "tool", "none")
    return None if fits else "an object whose 'type' is auto, any, tool or none"


def _is_effort(value: Any) -> str | None:
    return None if value in EFFORTS else f"one of {', '.join(EFFORTS)}"


# ------------------------------------------------------------------------------------- messages


def _messages(prompt: Prompt) -> list[dict[str, Any]]:
    turns = [turn for turn in prompt.turns if turn.text.strip()]
    has_system = bool(prompt.system and prompt.system.strip())
    marked = _last_marks(turns, MAX_CACHE_MARKS - has_system)
    messages = [
        {"role": turn.role, "content": [_text_block(_trimmed(turn), cache=index in marked)]}
        for index, turn in enumerate(turns)
    ]
    partial = prompt.partial.rstrip()
    if partial:
        messages.append({"role": "assistant", "content": [_text_block(partial)]})
        messages.append({"role": "user", "content": [_text_block(_go_on(prompt.partial))]})
    if not messages or messages[-1]["role"] != "user":
        raise BadRequest("The prompt must end with a user's turn that is not blank.")
    return messages


def after_pause(arguments: Mapping[str, Any], blocks: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the arguments of the request that goes on after a pause: with what has come so far."""
    if not blocks:
        return dict(arguments)
    messages = list(arguments["messages"])
    if messages[-1]["role"] == "assistant":  # it has paused before
        messages[-1] = {"role": "assistant", "content": [*messages[-1]["content"], *blocks]}
    else:
        messages.append({"role": "assistant", "content": blocks})
    return {**arguments, "messages": messages}


def _last_marks(turns: list[Turn], most: int) -> frozenset[int]:
    """Keep the latest marks: each covers all that comes before it."""
    return frozenset([i for i, turn in enumerate(turns) if turn.cache][-most:])


def _trimmed(turn: Turn) -> str:
    # The API refuses blanks at the end of an assistant's last turn; trimming all of them keeps
    # the cached beginning the same in every request.
    return turn.text.rstrip() if turn.role == "assistant" else turn.text


def _text_block(text: str, *, cache: bool = False) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": text}
    if cache:
        block["cache_control"] = dict(_CACHE)
    return block


def _go_on(partial: str) -> str:
    tail = json.dumps(partial[-CONTINUE_TAIL_CHARS:], ensure_ascii=False)
    return (
        f"{CONTINUE_MARK} The reader has kept all of it. It ends, as a JSON string, with {tail}. "
        "Go on exactly where it stopped, with the very next character, even in the middle of a "
        "word, a list or a code block. Repeat nothing, do not apologise, do not introduce or "
        "comment the continuation: what you write now is appended to it as it is."
    )


# ------------------------------------------------------------------------------------- thinking


def _thinking(prompt: Prompt, max_tokens: int) -> dict[str, Any]:
    """Translate ``thinking`` and ``effort`` for the model's generation.

    ======================  ==================  =====================================
    ``thinking``            up to Claude 4.5    from Claude 4.6 on
    ======================  ==================  =====================================
    ``{"budget_tokens"}``   that budget         adaptive; the budget becomes an effort
    ``True``                a budget of 8192    adaptive
    ``False``               nothing             the least the model allows
    not there               nothing             Claude 5 thinks anyway: shown as a summary
    ======================  ==================  =====================================
    """
    wanted = prompt.params.get("thinking")
    effort = _checked(prompt.params, "effort", _is_effort) if "effort" in prompt.params else None
    budget = _budget(wanted, max_tokens)
    if takes_thinking_budget(prompt.model):
        return _by_budget(wanted, budget, max_tokens, effort)
    if wanted is None or wanted is False:
        if not thinks_unasked(prompt.model):
            return _effort(effort)
        if wanted is False:  # some cannot be told to stop: the least that all of them take
            return {"thinking": _adaptive("omitted"), **_effort(effort or "low")}
        return {"thinking": _adaptive("summarized"), **_effort(effort)}
    if budget is not None and effort is None:
        effort = "low" if budget <= 2_048 else "medium" if budget <= 8_192 else "high"
    return {"thinking": _adaptive("summarized"), **_effort(effort)}


def _by_budget(
    wanted: Any, budget: int | None, max_tokens: int, effort: str | None
) -> dict[str, Any]:
    if wanted is None or wanted is False:
        return _effort(effort)
    if budget is None:
        # At most half of what may be written, so that an answer still fits after it.
        budget = max(
            MIN_THINKING_BUDGET_TOKENS, min(DEFAULT_THINKING_BUDGET_TOKENS, max_tokens // 2)
        )
        if budget >= max_tokens:
            raise _budget_too_large(budget, max_tokens)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, **_effort(effort)}


def _budget(wanted: Any, max_tokens: int) -> int | None:
    if wanted is None or isinstance(wanted, bool):
        return None
    budget: Any = wanted.get("budget_tokens") if isinstance(wanted, Mapping) else None
    is_alone = isinstance(budget, int) and not isinstance(budget, bool) and len(wanted) == 1
    if not is_alone or budget < MIN_THINKING_BUDGET_TOKENS:
        raise BadRequest(
            "The parameter 'thinking' must be true, false or "
            f'{{"budget_tokens": n}} with n of at least {MIN_THINKING_BUDGET_TOKENS}.',
            param="thinking",
        )
    if budget >= max_tokens:
        raise _budget_too_large(budget, max_tokens)
    return int(budget)


def _budget_too_large(budget: int, max_tokens: int) -> BadRequest:
    return BadRequest(
        f"Thinking may take {budget} tokens, but the whole answer only {max_tokens}. "
        "Lower thinking.budget_tokens or raise max_tokens.",
        param="thinking",
    )


def _adaptive(display: str) -> dict[str, str]:
    # Without `display` the newer models send thinking blocks that are empty.
    return {"type": "adaptive", "display": display}


def _effort(effort: str | None) -> dict[str, Any]:
    return {} if effort is None else {"output_config": {"effort": effort}}
