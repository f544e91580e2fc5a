"""Databases' URLs and SQLite files' paths: one is never taken for another file."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from jupyter_chat_stream.shared.config import ChatStream
from jupyter_chat_stream.shared.errors import DatabaseUnreadable
from jupyter_chat_stream.shared.folders import sqlite_url
from jupyter_chat_stream.store.sql.database import Database
from jupyter_chat_stream.store.sql.urls import display_url, parse_url
from jupyter_chat_stream.store.store import Store

NAMES = [
    *("team%20a", "50%", "a?b", "a?mode=ro", "#1", "it's", 'a"b', "a b", "a+b", "a&b;c=d", "a\\b"),
    *("Größe 数据", "%2F", "~", ":memory:", "file:x"),
]


@pytest.mark.parametrize("name", NAMES)
def test_any_path_is_the_default_databases(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / name))
    url = ChatStream().resolved_database_url()
    wanted = str(tmp_path / name / "chat-stream" / "chat.db")
    assert make_url(url).database == wanted, "SQLAlchemy reads another path"
    assert parse_url(url).database == wanted
    assert parse_url(display_url(parse_url(url))).database == wanted


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_url", [True, False])
def test_a_given_path_is_opened_as_it_is_written(name: str, is_url: bool, tmp_path: Path) -> None:
    if is_url and name == "%2F":
        pytest.skip("as a URL it names another folder that is there, too: that is refused")
    path = tmp_path / name / "chat.db"
    path.parent.mkdir()
    Store.open(f"sqlite:///{path}" if is_url else str(path)).close()
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert "chat.db" in [each.name for each in path.parent.iterdir()]


def test_a_name_that_is_no_text_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "\udcff"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes only text")
    store = Store.open(sqlite_url(folder / "chat.db"))
    described = store.database.describe()["url"]
    store.close()
    assert (folder / "chat.db").exists()
    assert parse_url(described).database == str(folder / "chat.db")


def test_an_escape_in_a_url_is_one_where_no_such_folder_is_there(tmp_path: Path) -> None:
    assert parse_url(f"sqlite:///{tmp_path}/a%20b/chat.db").database == f"{tmp_path}/a b/chat.db"
    (tmp_path / "a%20b").mkdir()
    assert parse_url(f"sqlite:///{tmp_path}/a%20b/chat.db").database == f"{tmp_path}/a%20b/chat.db"


def test_a_url_that_may_mean_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("a%20b", "a b"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatabaseUnreadable, match="may be") as refusal:
        parse_url(f"sqlite:///{tmp_path}/a%20b/chat.db")
    assert sqlite_url(tmp_path / "a b" / "chat.db") in refusal.value.message
    assert parse_url(str(tmp_path / "a%20b" / "chat.db")).database is not None


@pytest.mark.parametrize("url", ["sqlite:////tmp/no/chat.db?mode=ro", "sqlite:///chat.db?x"])
def test_options_of_a_file_are_refused_and_open_no_other(url: str) -> None:
    with pytest.raises(DatabaseUnreadable, match="%3F"):
        parse_url(url)


def test_a_host_in_a_files_url_is_refused() -> None:
    with pytest.raises(DatabaseUnreadable, match="three slashes"):
        parse_url("sqlite://home/me/chat.db")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("no url: secret", "postgresql+psycopg://user@host/name"),
        ("nosuch://user:secret@host/name", "There is no driver"),
        ("postgresql+nosuch://user:secret@host/name", "jupyter-chat-stream[postgres]"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_a_next_step_and_no_password(
    url: str, says: str
) -> None:
    with pytest.raises(DatabaseUnreadable) as refused:
        Database(url, now_ms=0)
    assert says in refused.value.message
    assert "secret" not in refused.value.message


def test_a_described_database_does_not_tell_its_password() -> None:
    database = Database.__new__(Database)
    database.url = make_url("postgresql+psycopg://me:secret@host/chat")
    database.scratch = None
    assert "secret" not in str(database.describe())
