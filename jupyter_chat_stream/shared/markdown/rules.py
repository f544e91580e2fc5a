"""Rules of the dialect: maths, footnotes, bare addresses, surplus cells of tables."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from .blanks import BLANK, BlockRule, is_blank, trim

_DEFINITION = re.compile(rf"\[\^([^{BLANK}\[\]]{{1,100}})\]:[ \t]*")
_MARK = re.compile(rf"\[\^([^{BLANK}\[\]]{{1,100}})\]")
_SCHEME = re.compile(r"(?:^|[^a-zA-Z0-9])(https?)\Z", re.IGNORECASE | re.ASCII)
_FRONTS = ("em_open", "hardbreak", "s_open", "softbreak", "strong_open")
_WWW = re.compile(rf"(^|[{BLANK}*_~(])(www\.[^{BLANK}<]+)")
_LETTER = "[a-zA-Z0-9\u0080-\U0010ffff_-]"
_DOMAIN = re.compile(rf"{_LETTER}+(\.{_LETTER}+)*")
_WORD = re.compile(rf"[^{BLANK}<]*")
_ENTITY = re.compile(r"&[a-zA-Z0-9]+;\Z")
_BARE_PERCENT = re.compile("%(?![0-9a-fA-F]{2})")
_UNSET = -1


def line_text(state: StateBlock, line: int) -> str:
    """Return a line's text without the indentation and the marks of its containers."""
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def is_outside(state: StateBlock, line: int) -> bool:
    """Return whether a line is after the end of the current container."""
    return not state.isEmpty(line) and state.sCount[line] < state.blkIndent


# ---------------------------------------------------------------------- maths


def math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read ``$$`` or ``\\[`` at the start of a line, up to the line that ends with the closer."""
    opener = line_text(state, start)[:2]
    closer = {"$$": "$$", "\\[": "\\]"}.get(opener)
    if closer is None or state.is_code_block(start):
        return False
    last_line = _end_of_block(state, start, end, closer)
    if last_line is None:
        return False
    if silent:
        return True
    source = trim(state.getLines(start, last_line + 1, state.blkIndent, False))
    token = state.push("math_block", "math", 0)
    token.content, token.markup = trim(source[2:-2]), source
    token.map = [start, last_line + 1]
    state.line = last_line + 1
    return True


def _end_of_block(state: StateBlock, start: int, end: int, closer: str) -> int | None:
    searches: dict[Any, tuple[int, int]] = state.env.setdefault("no_math_end", {})
    key = (closer, state.level, state.blkIndent)
    first, end_line = searches.get(key, (0, 0))
    if first <= start < end_line:
        return None
    has_text = False
    line = start
    while line < end:
        if state.isEmpty(line) or is_outside(state, line) or state.sCount[line] < 0:
            break
        inner = line_text(state, line).rstrip()
        if line > start and inner.startswith("\\["):
            break
        inner = inner[2:] if line == start else inner
        at = _find_unescaped(inner, closer, 0)
        has_text = has_text or not is_blank(inner[: at if at >= 0 else None])
        if at >= 0:
            return line if at == len(inner) - 2 and has_text else None
        line += 1
    searches[key] = (start, line)
    return None


def math_inline(state: StateInline, silent: bool) -> bool:
    """Read maths within the text of a block."""
    src, pos = state.src, state.pos
    opener = "$$" if src.startswith("$$", pos) else src[pos] if src[pos] == "$" else ""
    opener = opener or src[pos : pos + 2]
    if opener == "$":
        end = _end_of_dollar(state)
    else:
        closer = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}.get(opener)
        end = -1 if closer is None else _end_of(state, closer)
    if end < 0:
        return _pass_dollars(state, silent) if opener == "$$" else False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.markup = src[pos:end]
        token.content = src[pos + len(opener) : end - len(opener)]
        token.info = "display" if opener in ("$$", "\\[") else ""
    state.pos = end
    return True


def _pass_dollars(state: StateInline, silent: bool) -> bool:
    end = state.pos
    while end < state.posMax and state.src[end] == "$":
        end += 1
    if not silent:
        state.pending += state.src[state.pos : end]
    state.pos = end
    return True


def _end_of_dollar(state: StateInline) -> int:
    src, start, end = state.src, state.pos + 1, state.posMax
    if start >= end or is_blank(src[start]):
        return -1
    close = _find_unescaped(src, "$", start, end)
    if close <= start or is_blank(src[close - 1]):
        return -1
    following = src[close + 1] if close + 1 < end else ""
    is_closed = following not in tuple("0123456789$") and "`" not in src[start:close]
    return close + 1 if is_closed else -1


def _end_of(state: StateInline, closer: str) -> int:
    """Return the end of a formula, and remember a failed search, so that it is not repeated."""
    searches: dict[str, tuple[int, int]] = vars(state).setdefault("math_closers", {})
    start, close = searches.get(closer, (state.posMax, _UNSET))
    if start > state.pos or 0 <= close < state.pos + 2:
        close = _find_unescaped(state.src, closer, state.pos + 2, state.posMax)
    searches[closer] = state.pos, close
    inner = state.src[state.pos + 2 : close] if close >= 0 else ""
    return close + 2 if not is_blank(inner) and "`" not in inner else -1


def _find_unescaped(text: str, mark: str, at: int, end: int | None = None) -> int:
    end = len(text) if end is None else end
    while at < end:
        if text.startswith(mark, at) and at + len(mark) <= end:
            return at
        at += 2 if text[at] == "\\" else 1
    return _UNSET


# ---------------------------------------------------------------------- footnotes


def footnote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read ``[^label]: text``, continued by lines that are indented by four."""
    match = None if state.is_code_block(start) else _DEFINITION.match(line_text(state, start))
    if match is None:
        return False
    if silent:
        return True
    state.env["footnotes"].add(match[1].lower())
    token = state.push("footnote_open", "footnote", 1)
    token.info = match[1]
    saved_marks = state.bMarks[start], state.tShift[start], state.sCount[start]
    indent, parent = state.blkIndent, state.parentType
    state.bMarks[start] += state.tShift[start] + match.end()
    state.tShift[start] = 0
    state.blkIndent = indent + 4
    state.sCount[start] = state.blkIndent
    state.parentType = "footnote"
    state.md.block.tokenize(state, start, end)
    state.bMarks[start], state.tShift[start], state.sCount[start] = saved_marks
    state.blkIndent, state.parentType = indent, parent
    state.line = max(state.line, start + 1)
    state.push("footnote_close", "footnote", -1)
    return True


def footnote_mark(state: StateInline, silent: bool) -> bool:
    """Read ``[^label]`` if that footnote exists."""
    match = _MARK.match(state.src, state.pos)
    if match is None or match[1].lower() not in state.env["footnotes"]:
        return False
    if not silent:
        state.push("footnote_mark", "sup", 0).content = match[1]
    state.pos = match.end()
    return True


# ---------------------------------------------------------------------- addresses


def autolink(state: StateInline, silent: bool) -> bool:
    """Read the address around ``://`` after ``http`` or ``https``."""
    if not state.src.startswith("://", state.pos) or state.linkLevel > 0:
        return False
    scheme = _SCHEME.search(state.pending[-6:])
    if scheme is None:
        return False
    address_start = state.pos + 3
    word = _WORD.match(state.src, address_start, state.posMax)
    address = _trim_address(word[0] if word is not None else "")
    if not _is_domain(address):
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[1])]
        url = f"{scheme[1]}://{address}"
        state.push("link_open", "a", 1).attrs = {"href": state.md.normalizeLink(url)}
        state.push("text", "", 0).content = url
        state.push("link_close", "a", -1)
    state.pos = address_start + len(address)
    return True


def www_links(tokens: list[Token]) -> list[Token]:
    """Make links of words that begin with ``www.``, in texts outside of links."""
    output: list[Token] = []
    links = 0
    for token in tokens:
        links += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        is_text = token.type == "text" and links == 0 and "www." in token.content
        is_front = not output or output[-1].type in _FRONTS
        output += _www_in(token.content, is_front) if is_text else [token]
    return output


def _www_in(content: str, is_first: bool) -> list[Token]:
    pieces: list[Token] = []
    end = 0
    for match in _WWW.finditer(content):
        at, address = match.start(2), _trim_address(match[2])
        if (at == 0 and not is_first) or at < end or not _is_domain(address):
            continue
        pieces += [Token("text", "", 0, content=content[end:at])] if at > end else []
        pieces.append(Token("link_open", "a", 1, attrs={"href": _encode_url(f"http://{address}")}))
        pieces.append(Token("text", "", 0, content=address))
        pieces.append(Token("link_close", "a", -1))
        end = at + len(address)
    pieces += [Token("text", "", 0, content=content[end:])] if end < len(content) else []
    return pieces


def _encode_url(address: str) -> str:
    """Percent-encode an address, and keep its existing escapes."""
    text = re.sub("[\ud800-\udfff]", "\ufffd", address)
    return quote(_BARE_PERCENT.sub("%25", text), safe="%;/?:@&=+$,#-_.!~*'()")


def _trim_address(address: str) -> str:
    end, open_count, close_count = len(address), address.count("("), address.count(")")
    while end:
        character = address[end - 1]
        entity = _ENTITY.search(address[max(0, end - 34) : end]) if character == ";" else None
        if character in "?!.,:*_~'\"":
            end -= 1
        elif character == ")" and close_count > open_count:
            close_count -= 1
            end -= 1
        elif entity is not None:
            end -= len(entity[0])
        else:
            break
    return address[:end]


def _is_domain(address: str) -> bool:
    match = _DOMAIN.match(address)
    return match is not None and "_" not in ".".join(match[0].split(".")[-2:])


# ---------------------------------------------------------------------- tables


def with_surplus_cells(rule: BlockRule) -> BlockRule:
    """Wrap the rule of GFM's tables so that surplus cells of a row are shown."""

    def table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        first_token = len(state.tokens)
        if not rule(state, start, end, silent):
            return False
        tokens, state.tokens[first_token:] = state.tokens[first_token:], []
        columns = sum(token.type == "th_open" for token in tokens)
        cells = line = 0
        for token in tokens:
            if token.type == "tr_open":
                cells, line = 0, token.map[0] if token.map else start
            cells += token.type == "td_open"
            if token.type == "tr_close" and cells == columns:
                for text in _cells_of(line_text(state, line))[columns:]:
                    state.push("td_open", "td", 1)
                    state.push("inline", "", 0).content = trim(text)
                    state.push("td_close", "td", -1)
            state.tokens.append(token)
        return True

    return table


def _cells_of(line: str) -> list[str]:
    cells = [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)]
    cells = cells[1:] if cells and is_blank(cells[0]) else cells
    return cells[:-1] if cells and is_blank(cells[-1]) else cells
