"""What the pages say of files, settings and the tree is so; no Sphinx is needed for that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from traitlets.config import Config

from jupyter_chat_stream import Chat
from jupyter_chat_stream.providers.registry import Registry
from jupyter_chat_stream.shared.config import ChatStream
from scripts import api_page, docs, settings_page

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md") for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
EXTERNAL = ("http://", "https://", "mailto:")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"^(`{3,})[^\n]*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)


def slugs(path: Path) -> set[str]:
    """The anchors that GitHub and the site give a page's headings."""
    headings = re.findall(
        r"^#+ (.+)$", without_code(path.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def links(page: Path) -> Iterator[tuple[str, str]]:
    """Where a page links to, as (path, anchor), other sites aside."""
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if not target.startswith(EXTERNAL):
            path, _, anchor = unquote(target).partition("#")
            yield path, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{page.name} links to {path}, which is no file"
        assert not anchor or anchor in slugs(target), f"{page.name} links to {path}#{anchor}"


SETTING = re.compile(r"^```py\n(c\.ChatStream\..*?)^```$", re.DOTALL | re.MULTILINE)
SETTINGS = [found for page in PAGES for found in SETTING.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("example", SETTINGS, ids=lambda text: text.split("\n")[1].strip())
async def test_every_example_of_a_setting_is_one_that_the_server_takes(example: str) -> None:
    given: Any = Config()
    exec(example, {"c": given})
    config = ChatStream(config=given)
    registry = Registry(endpoints=config.endpoints)
    assert set(config.endpoints) <= set(registry.providers)
    await registry.close()


def test_every_page_is_in_the_table_of_contents() -> None:
    entries = re.findall(r"^(?:[^:<`{\n]*<)?([\w./*-]+)>?$", read("docs/index.md"), re.MULTILINE)
    docs_folder = ROOT / "docs"
    globs = [entry if entry.endswith("*") else f"{entry}.md" for entry in entries]
    named = {path.resolve() for pattern in globs for path in docs_folder.glob(pattern)}
    expected = {page for page in PAGES if ".github" not in page.parts} - {docs_folder / "index.md"}
    assert expected <= named, sorted(str(path) for path in expected - named)


def test_every_decision_is_listed() -> None:
    listed = set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", read("docs/decisions/README.md")))
    assert listed == {path.name for path in (ROOT / "docs" / "decisions").glob("0*.md")}


def test_the_settings_page_is_what_the_traits_say() -> None:
    page = read("docs/settings.md")
    assert page == settings_page.written(page), "run: python -m scripts.settings_page"


def test_every_setting_is_on_the_settings_page_and_every_one_there_exists() -> None:
    documented = re.findall(r"^### `(\w+)`$", read("docs/settings.md"), re.MULTILINE)
    assert set(documented) == set(ChatStream.class_traits(config=True))
    assert len(documented) == len(set(documented))


def test_every_environment_variable_of_ours_is_on_the_settings_page() -> None:
    code = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "jupyter_chat_stream").rglob("*.py")
    )
    ours = set(re.findall(r"JUPYTER_CHAT_STREAM_[A-Z_]+", code))
    assert len(ours) >= 3
    assert ours == set(re.findall(r"JUPYTER_CHAT_STREAM_[A-Z_]+", read("docs/settings.md")))


def test_the_map_of_the_house_names_every_folder_of_the_package_and_no_other() -> None:
    package = ROOT / "jupyter_chat_stream"
    named = set(
        re.findall(r"^\| `jupyter_chat_stream/(\w+)/`", read("CONTRIBUTING.md"), re.MULTILINE)
    )
    assert named == {path.parent.name for path in package.glob("*/__init__.py")}


# Where the paths of these pages begin.
HOMES = tuple(
    ROOT / name
    for name in (
        "",
        "jupyter_chat_stream",
        "jupyter_chat_stream/store",
        "jupyter_chat_stream/store/sql",
        "labextension",
        "labextension/src",
    )
)


@pytest.mark.parametrize("page", ["PRIVACY.md", "docs/architecture.md"])
def test_every_module_and_name_that_a_page_gives_as_proof_is_there(page: str) -> None:
    named = re.findall(r"`([\w/.-]+(?:\.py|\.tsx?|\.mjs|/))(?:::([\w.]+))?`", read(page))
    assert len(named) >= 5
    for path, name in named:
        found = [home / path for home in HOMES if (home / path).exists()]
        assert found, path
        if name:
            text = found[0].read_text(encoding="utf-8")
            assert re.search(rf"(def|class) {name.rpartition('.')[2]}\b", text), f"{path}::{name}"


def test_the_reference_has_every_public_name_every_error_and_what_providers_use() -> None:
    page = api_page.reference()
    names = [name for section in api_page.sections().values() for name in section]
    assert f"{api_page.PACKAGE}.Chat" in names
    for provided in ("Provider", "TextBlock", "ToolUseBlock", "Tool"):
        assert f"{api_page.PROVIDERS}.{provided}" in names
    for name in names:
        assert re.search(rf":: {re.escape(name)}(\(\))?\n", page), name
    for error in api_page.errors():
        assert f"| `{error.__name__}` |" in page, error


def test_the_reference_documents_what_a_chat_inherits_from_classes_of_ours_only() -> None:
    members = set(api_page.own_members(Chat))
    assert {"ask", "send", "schedule", "preferences", "value"} <= members
    assert not {"comm", "layout", "traits", "keys"} & members


def test_pages_are_copied_with_what_they_show_and_old_ones_go(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    (root / "docs" / "images").mkdir(parents=True)
    (root / "README.md").write_text("# A")
    (root / "docs" / "images" / "a.png").write_bytes(b"png")
    (target / "docs").mkdir(parents=True)
    (target / "docs" / "gone.md").write_text("# Gone")
    docs.copy_pages(root, target)
    copied = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert copied == {"README.md", "docs/images/a.png"}
