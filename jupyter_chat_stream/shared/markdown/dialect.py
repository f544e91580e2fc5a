"""The parser of the dialect in ``docs/markdown.md``: markdown-it-py with our own rules.

The twin of ``labextension/src/markdown/``. ``tree`` makes a tree of its tokens.
"""

from __future__ import annotations

import re
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType

from . import elements, rules
from .blanks import BlockRule, with_edges

MAX_DEPTH = 32
_SAFE = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(png|jpe?g|gif|webp|avif);base64,", re.IGNORECASE)
_FORBIDDEN = re.compile(r"(javascript|vbscript|file|data):", re.IGNORECASE)
_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u303f\u3040-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]"
)


def is_safe_address(address: str) -> bool:
    """Whether an answer may link to an address."""
    return _SAFE.match(address) is not None


def is_safe_picture(address: str) -> bool:
    """Whether a picture can be shown without a request."""
    return _PICTURE.match(address) is not None


class _State(StateInline):
    """Allows emphasis beside Chinese, Japanese and Korean text: ``**重要：**请`` is bold."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803
        length = super().scanDelims(start, canSplitWord).length
        char_before = self.src[start - 1] if start > 0 else " "
        end = start + length
        char_after = self.src[end] if end < self.posMax else " "
        mark_before, mark_after = _is_mark(char_before), _is_mark(char_after)
        blank_before, blank_after = isWhiteSpace(ord(char_before)), isWhiteSpace(ord(char_after))
        is_left_flanking = not blank_after and (
            not mark_after or blank_before or mark_before or _CJK.match(char_before) is not None
        )
        is_right_flanking = not blank_before and (
            not mark_before or blank_after or mark_after or _CJK.match(char_after) is not None
        )
        opens = is_left_flanking and (canSplitWord or not is_right_flanking or mark_before)
        return Scanned(
            opens,
            is_right_flanking and (canSplitWord or not is_left_flanking or mark_after),
            length,
        )


def _is_mark(character: str) -> bool:
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


def bound_depth(rule: BlockRule) -> BlockRule:
    """Apply a rule only up to the bound on nesting; deeper marks are text."""

    def apply(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        if state.env["depth"] >= MAX_DEPTH:
            return False
        state.env["depth"] += 1
        is_applied = rule(state, start, end, silent)
        state.env["depth"] -= 1
        return is_applied

    return apply


class Parser(MarkdownIt):
    """markdown-it-py with the dialect's rules."""

    def __init__(self) -> None:
        super().__init__("js-default", {"maxNesting": 200})
        self.disable(["linkify", "html_block", "html_inline", "replacements", "smartquotes"])
        everywhere: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
        block, inline = self.block.ruler, self.inline.ruler
        block.before("fence", "math_block", rules.math_block, everywhere)
        block.before("heading", "details", bound_depth(elements.details), everywhere)
        block.before("heading", "html_table", elements.html_table, everywhere)
        footnote: RuleOptionsType = {"alt": ["paragraph", "reference"]}
        block.before("reference", "footnote", bound_depth(rules.footnote), footnote)
        for rule in list(block.__rules__):
            if rule.name in ("blockquote", "list"):
                block.at(rule.name, bound_depth(rule.fn), {"alt": rule.alt})
            elif rule.name in ("paragraph", "heading", "lheading"):
                block.at(rule.name, with_edges(rule.fn), {"alt": rule.alt})
            elif rule.name == "table":
                block.at("table", rules.with_surplus_cells(rule.fn), {"alt": rule.alt})
        inline.before("escape", "math", rules.math_inline)
        inline.before("escape", "autolink_bare", rules.autolink)
        inline.before("link", "footnote_mark", rules.footnote_mark)
        inline.before("autolink", "tag", elements.inline_tag)

    def validateLink(self, url: str) -> bool:  # noqa: N802
        # Characters that browsers remove from an address must not hide its scheme.
        address = re.sub("[\0-\x20]", "", url)
        return is_safe_picture(address) or _FORBIDDEN.match(address) is None

    def read_inline(self, text: str, env: EnvType) -> list[Token]:
        """Read the text of one block."""
        state = _State(text, self, env, [])
        self.inline.tokenize(state)
        for rule in self.inline.ruler2.getRules(""):
            rule(state)
        return rules.www_links(state.tokens)


@lru_cache(maxsize=1)
def parser() -> Parser:
    """Return the shared parser, which keeps no state."""
    return Parser()
