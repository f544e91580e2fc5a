"""Turns a text of the dialect into a tree: ``[element, attributes, children]`` and strings.

The form is the same as in ``tests/vectors/markdown``; a formula also has its ``source``. The text
of a paragraph, heading or cell beyond the bounds is not parsed.
"""

from __future__ import annotations

import re
from typing import Any

from markdown_it.token import Token
from markdown_it.utils import EnvType

from .blanks import BLANK, trim
from .dialect import MAX_DEPTH, is_safe_address, is_safe_picture, parser
from .elements import Attributes, Element, table_of

Node = Any  # an Element or a text
# Larger blocks would take too long to parse, because brackets are searched repeatedly.
MAX_BLOCK = 20_000
MAX_MARKS = 3_000
_MARK = re.compile(r"[`*_~\[\]<&$\\]")
MAX_BRACKET_WORK = 4_000_000
_TASK = re.compile(rf"\[([ xX])\][ \t\n]+(?=[^{BLANK}])")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]{1,40}")
_VOID = ("br", "wbr")


def tree_of(text: str) -> list[Node]:
    env: EnvType = {"references": {}, "footnotes": set(), "depth": 0}
    text = re.sub("\r\n?", "\n", text).replace("\0", "\ufffd")
    tokens: list[Token] = []
    parser().block.parse(text, parser(), env, tokens)
    return _BlockReader(tokens, env).blocks()


class _BlockReader:
    def __init__(self, tokens: list[Token], env: EnvType) -> None:
        self._tokens = tokens
        self._env = env
        self._at = 0

    def blocks(self) -> list[Node]:
        nodes: list[Node] = []
        while self._at < len(self._tokens) and self._tokens[self._at].nesting != -1:
            nodes += self._block()
        self._at += 1
        return nodes

    def _block(self) -> list[Node]:
        token = self._tokens[self._at]
        self._at += 1
        if token.type in ("fence", "code_block"):
            match = _LANGUAGE.match(trim(token.info))
            attributes = {} if match is None else {"language": match[0].lower()}
            text = token.content.removesuffix("\n")
            return [["pre", {}, [["code", attributes, [text] if text else []]]]]
        if token.type == "math_block":
            return [_formula(token.content, token.markup, is_display=True)]
        if token.type == "hr":
            return [["hr", {}, []]]
        if token.type == "html_table":
            return [self._html_table(token.content)]
        if token.nesting != 1:
            return []
        return self._element(token)

    def _element(self, token: Token) -> list[Node]:
        following = self._tokens[self._at]
        if following.type == "inline":
            self._at += 2
            if token.hidden:
                return self._inline(following.content)
            return [[token.tag, _attributes_of(token), self._inline(following.content)]]
        if token.tag == "li":
            return [["li", {}, self._item()]]
        return [[token.tag, _attributes_of(token), self.blocks()]]

    def _item(self) -> list[Node]:
        """Read a list item; a task's checkbox becomes the begin of the text."""
        opening, inline = self._tokens[self._at], self._tokens[self._at + 1]
        is_text = opening.type in ("paragraph_open", "heading_open")
        match = _TASK.match(inline.content) if is_text else None
        if match is None:
            return self.blocks()
        inline.content = inline.content[match.end() :]
        box = ["input", {"checked": match[1] != " "}, []]
        children = self.blocks()
        if opening.hidden:
            return [box, *children]
        paragraph: Element = children[0]
        paragraph[2].insert(0, box)
        return children

    def _html_table(self, source: str) -> Node:
        table = table_of(source)
        if table is None:
            return ["p", {}, self._inline(trim(source))]
        self._read_cells(table)
        return table

    def _read_cells(self, node: Element) -> None:
        if node[0] in ("th", "td", "caption"):
            node[2] = self._inline(node[2][0])
            return
        for child in node[2]:
            self._read_cells(child)

    def _inline(self, source: str) -> list[Node]:
        is_marked = len(source) > MAX_MARKS and len(_MARK.findall(source)) > MAX_MARKS
        is_slow = source.count("[") * len(source) > MAX_BRACKET_WORK
        if len(source) > MAX_BLOCK or is_marked or is_slow:
            return [source]
        return join_texts(_Nester(parser().read_inline(source, self._env)).nodes())


def _formula(tex: str, source: str, *, is_display: bool) -> Node:
    return ["math", {"display": is_display, "source": source}, [trim(tex)]]


def _attributes_of(token: Token) -> Attributes:
    if token.type == "ordered_list_open" and token.attrs.get("start", 1) != 1:
        return {"start": token.attrs["start"]}
    if token.type in ("th_open", "td_open") and "style" in token.attrs:
        return {"align": str(token.attrs["style"]).removeprefix("text-align:")}
    if token.type == "details_open" and token.info:
        return {"open": True}
    return {"label": token.info} if token.type == "footnote_open" else {}


class _Nester:
    """Nests tokens. A tag without a partner is text."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        # The element, its text if the closing tag is missing, whether it is nested too deep.
        self._frames: list[tuple[Element, str | None, bool]] = [(["root", {}, []], None, False)]

    def nodes(self) -> list[Node]:
        for token in self._tokens:
            if token.type == "tag" and token.tag not in _VOID:
                self._tag(token)
            elif token.nesting == 1:
                is_flat = len(self._frames) > MAX_DEPTH
                if is_flat:
                    self._add(token.markup)
                node = [token.tag, _link_attributes(token), []]
                self._frames.append((node, None, is_flat))
            elif token.nesting == -1:
                self._close(token)
            else:
                self._add(_inline_of(token))
        while len(self._frames) > 1:
            self._pop()
        nodes: list[Node] = self._frames[0][0][2]
        return nodes

    def _add(self, node: Node) -> None:
        self._frames[-1][0][2].append(node)

    def _close(self, token: Token) -> None:
        while self._frames[-1][1] is not None:
            self._pop()
        is_flat = self._frames[-1][2]
        self._pop()
        if is_flat:
            self._add(token.markup)

    def _tag(self, token: Token) -> None:
        if token.info == "open" and len(self._frames) <= MAX_DEPTH:
            self._frames.append(([token.tag, {}, []], token.content, False))
        elif token.info == "close" and self._is_open(token.tag):
            while self._frames[-1][0][0] != token.tag:
                self._pop()
            self._add_closed()
        else:
            self._add(token.content)

    def _add_closed(self) -> None:
        node, _, _ = self._frames.pop()
        self._add(node)

    def _is_open(self, tag: str) -> bool:
        for node, source, _ in reversed(self._frames):
            if source is None:
                return False
            if node[0] == tag:
                return True
        return False

    def _pop(self) -> None:
        node, source, is_flat = self._frames.pop()
        children: list[Node] = self._frames[-1][0][2]
        if source is not None:
            children.append(source)
        if source is not None or is_flat:
            children += node[2]
        else:
            children.append(node)


def _inline_of(token: Token) -> Node:
    if token.type == "code_inline":
        return ["code", {}, [token.content]]
    if token.type == "math_inline":
        return _formula(token.content, token.markup, is_display=token.info == "display")
    if token.type in ("hardbreak", "tag"):
        return ["br" if token.type == "hardbreak" else token.tag, {}, []]
    if token.type == "softbreak":
        return "\n"
    if token.type == "footnote_mark":
        return ["sup", {}, [token.content]]
    return _image(token) if token.type == "image" else token.content


def _image(token: Token) -> Node:
    """Return a picture that needs no request; any other picture becomes a link."""
    address, text = str(token.attrs["src"]), _text_of(token.children or [])
    title = {"title": token.attrs["title"]} if "title" in token.attrs else {}
    if is_safe_picture(address):
        return ["img", {"src": address, "alt": text, **title}, []]
    href = {"href": address, **title} if is_safe_address(address) else {}
    return ["a", href, [text or address]]


def _text_of(tokens: list[Token]) -> str:
    texts = (
        _text_of(token.children or [])
        if token.type == "image"
        else "\n"
        if token.type.endswith("break")
        else token.content
        for token in tokens
    )
    return "".join(texts)


def _link_attributes(token: Token) -> Attributes:
    href = str(token.attrs.get("href", ""))
    if token.tag != "a" or not is_safe_address(href):
        return {}
    return {"href": href, **({"title": token.attrs["title"]} if "title" in token.attrs else {})}


def join_texts(nodes: list[Node]) -> list[Node]:
    """Join adjacent texts."""
    result: list[Node] = []
    for node in nodes:
        if isinstance(node, str):
            if result and isinstance(result[-1], list) and result[-1][0] == "":
                result[-1][1].append(node)
            elif node:
                result.append(["", [node]])
        else:
            name, attributes, children = node
            result.append([name, attributes, join_texts(children)])
    return ["".join(node[1]) if node[0] == "" else node for node in result]
