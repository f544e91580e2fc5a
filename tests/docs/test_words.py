"""The words of our code are the glossary's: one word has one meaning. Sentences are plain."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "jupyter_chat_stream"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Code of ours outside the package, whose names a reader meets too.
AROUND = sorted(
    path for folder in ("tests", "scripts", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
TEXTS = [
    *MODULES,
    *(ROOT / "labextension" / "src").rglob("*.ts*"),
    *(page for page in ROOT.glob("*.md") if page.name != "CHANGELOG.md"),
    *(ROOT / "docs").rglob("*.md"),
]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")

# Words that say nothing of what a function does.
EMPTY_OPENINGS = ("Give", "Gives", "Say", "Says")
# These names mean what others mean by the word: Jupyter's session and kernel manager, and the
# distance of a time zone from UTC.
NAMES_OF_OTHERS = frozenset({"_session_file", "manager", "_OFFSET", "offset_s"})

# As a whole name, such a word tells nothing of the value: `row`, `params` and `max_bytes` do.
NAMES_WITHOUT_A_NOUN = frozenset(
    (
        *("asked", "brought", "found", "given", "gone", "got", "had", "held", "kept", "known"),
        *("left", "listed", "made", "most", "named", "opened", "seen", "taken", "told", "wanted"),
        "written",
    )
)
# The wire's word for the largest value of a model's parameter, and the browser's for its locks.
WORDS_OF_FORMATS = {
    *(("base", "most"), ("model_records", "most"), ("model-records", "most")),
    ("open-elsewhere", "held"),
}
DECLARED_ON_THE_PAGE = re.compile(r"\b(?:const|function|let|private|readonly) (\w+)")

# Sentences that had to be read twice, by the words that made them so.
HARD_TO_READ = (
    "all together have",
    "as not being",
    "for no time at all",
    "found out (",
    "going on where",
    "is no such thing",
    "keeps house",
    "names no chat",
    "no word of it",
    "or there were",
    "reckoned",
    "say something",
    "though it be",
    "this time is past",
    "trying on",
    "without a word",
    "you, later",
)

DEFINED = re.compile(r"^ *(?:(?:async )?def|class) (\w+)", re.MULTILINE)
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def names(module: Path) -> Iterator[str]:
    """List every name that a module defines: of classes, functions, arguments and variables."""
    for node in ast.walk(tree(module)):
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def types(module: Path) -> Iterator[str]:
    """List the classes of a module, the aliases that it gives to types, and its type variables."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ClassDef):
            yield node.name
    statements: list[ast.stmt] = list(tree(module).body)
    for statement in statements:
        if isinstance(statement, ast.If | ast.Try):
            statements += [*statement.body, *statement.orelse]
        if isinstance(statement, ast.Assign) and is_alias(statement):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


def is_alias(statement: ast.Assign) -> bool:
    """Whether an assignment gives a type a name: `Name = ...`, of which `T` is too short to be one.

    `Name = module.Name` only shows the name of another module.
    """
    target, value = statement.targets[0], statement.value
    if not isinstance(target, ast.Name) or not re.fullmatch(r"_?[A-Z]\w*[a-z]\w*", target.id):
        return False
    return not (isinstance(value, ast.Attribute) and value.attr == target.id)


def words(name: str) -> set[str]:
    """Split a name into its words, each without a plural's s."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return {part.lower() for part in parts} | {part.lower().removesuffix("s") for part in parts}


def words_not_used() -> set[str]:
    """Read which words the glossary excludes, but for those that it excludes in one meaning."""
    found = re.search(r"^Not used: (.+?)\.$", GLOSSARY, re.MULTILINE | re.DOTALL)
    assert found is not None
    listed = [word.strip() for word in found[1].split(",")]
    return {word.removesuffix("s") for word in listed if "(" not in word}


def pictures() -> set[str]:
    """Read which words the glossary allows for nothing."""
    found = re.search(r"^Pictures that .+?: (.+?)\.$", GLOSSARY, re.MULTILINE | re.DOTALL)
    assert found is not None
    return {word.strip() for word in found[1].split(",")}


def test_no_two_types_of_the_package_have_one_name() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for module in MODULES:
        for name in types(module):  # `_Name` is read as `Name` where it is used
            where[name.removeprefix("_")].append(module.relative_to(PACKAGE).as_posix())
    assert {"Transcript", "JsonObject"} <= where.keys()  # a class, and an alias
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_no_word_stands_twice_in_the_glossary() -> None:
    rows = re.findall(r"^\| (.+?) \|", GLOSSARY, re.MULTILINE)[1:]
    terms = [re.sub(r" \(.+\)", "", term.strip()) for row in rows for term in row.split(",")]
    assert {"seq", "tool call", "tool result"} <= set(terms)
    assert sorted(term for term, times in Counter(terms).items() if times > 1) == []


def test_no_name_has_a_word_that_the_glossary_excludes() -> None:
    excluded = words_not_used()
    assert {"session", "conversation", "manager", "offset"} <= excluded
    used = {
        f"{module.relative_to(PACKAGE).as_posix()}: {name}"
        for module in MODULES
        for name in {*names(module), module.stem} - NAMES_OF_OTHERS
        if words(name) & excluded
    }
    assert used == set()


def test_docstrings_begin_with_a_word_that_tells_something() -> None:
    empty: list[str] = []
    for module in (*MODULES, *AROUND):
        for node in ast.walk(tree(module)):
            if isinstance(node, Definition | ast.Module):
                opening = (ast.get_docstring(node) or "").split(maxsplit=1)[:1]
                if opening and opening[0] in EMPTY_OPENINGS:
                    place = module.relative_to(ROOT).as_posix()
                    empty.append(f"{place}: {getattr(node, 'name', 'module')}")
    assert empty == []


def test_nothing_is_named_by_a_picture() -> None:
    excluded = pictures()
    assert {"rig", "thick", "giver"} <= excluded
    used = [
        f"{module.relative_to(ROOT).as_posix()}: {name}"
        for module in (*MODULES, *AROUND)
        for name in (*DEFINED.findall(module.read_text(encoding="utf-8")), module.stem)
        if words(name) & excluded
    ]
    assert used == []


def test_every_name_has_a_noun_or_a_verb() -> None:
    pages = (ROOT / "labextension" / "src").rglob("*.ts*")
    declared = {path: DECLARED_ON_THE_PAGE.findall(path.read_text("utf-8")) for path in pages}
    declared |= {module: list(names(module)) for module in MODULES}
    empty = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path, those in declared.items()
        for name in those
        if name.strip("_") in NAMES_WITHOUT_A_NOUN and (path.stem, name) not in WORDS_OF_FORMATS
    }
    assert sum(map(len, declared.values())) > 20_000
    assert empty == set()


def test_no_module_is_named_by_a_word_that_the_glossary_excludes() -> None:
    sources = [*AROUND, *(ROOT / "labextension" / "src").rglob("*.ts*")]
    assert [path.name for path in sources if words(path.stem) & words_not_used()] == []


def test_no_sentence_is_one_that_had_to_be_read_twice() -> None:
    between = r"\s+(?:(?:#|\*|//)\s+)?"  # a phrase may go on in the next line of a comment
    phrases = (between.join(map(re.escape, phrase.split())) for phrase in HARD_TO_READ)
    hard = re.compile("|".join(phrases), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT).as_posix()}: {phrase}"
        for path in TEXTS
        for phrase in hard.findall(path.read_text(encoding="utf-8"))
    ]
    assert found == []
