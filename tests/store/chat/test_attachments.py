"""Attachments in the store: bytes once, as long as a message holds them; on every database."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import sha256

import pytest
from sqlalchemy import insert, make_url

from jupyter_chat_stream.shared.errors import AttachmentNotFound, TooMuchUnsent, UploadLost
from jupyter_chat_stream.store.chat import attachments, commands, holding, runs
from jupyter_chat_stream.store.chat.attachments import (
    PIECE_BYTES,
    UNSENT_EXPIRES_MS,
    UPLOAD_EXPIRES_MS,
)
from jupyter_chat_stream.store.chat.commands import Sender, SendRequest
from jupyter_chat_stream.store.log import upstreams
from jupyter_chat_stream.store.log.reading import read_state
from jupyter_chat_stream.store.log.transaction import ThreadRef, Transaction
from jupyter_chat_stream.store.overview import read_overview
from jupyter_chat_stream.store.retention.attachments import PAGE_ROWS
from jupyter_chat_stream.store.retention.cleanup import PURGE_AFTER_MS, Policy
from jupyter_chat_stream.store.sql.tables import AttachmentRow, BlobPieceRow, BlobRow, table
from tests.store.harness import PATIENCE_S, StoreHarness, postgres_only
from tests.store.retention.stepping import collected, tidying

KEEPS = Policy(keep_events_ms=None, retention_ms=None)
TABLES = ("blob", "blob_piece", "attachment", "message_attachment")
THREE_PIECES = bytes(range(256)) * (2 * PIECE_BYTES // 256) + b"end"


def counts(harness: StoreHarness) -> list[int]:
    return [harness.scalar(f"SELECT COUNT(*) FROM {table}") for table in TABLES]


def send(harness: StoreHarness, thread: ThreadRef, *ids: str) -> None:
    request = SendRequest(content="", attachments=ids)
    sender = Sender(owner="local")
    harness.do(lambda tx: commands.send(tx, thread.id, sender, request), thread.pk)


def content(harness: StoreHarness, attachment_id: str, owner: str = "local") -> bytes:
    return harness.look(lambda conn: attachments.read_content(conn, owner, attachment_id))


def purged(harness: StoreHarness, thread: ThreadRef) -> int:
    """Delete a thread and clean up a day later; returns how many attachments that deleted."""
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    harness.clock.advance(PURGE_AFTER_MS)
    return collected(harness, KEEPS).deleted_attachments


def test_the_same_bytes_are_stored_once_and_stay_until_the_last_message_goes(
    harness: StoreHarness,
) -> None:
    threads = [harness.thread() for _ in range(3)]
    ids = [harness.attachment(THREE_PIECES) for _ in threads[:2]]
    blob = harness.scalar("SELECT MIN(blob) FROM attachment")
    while harness.do(partial(attachments.drop_piece, blob=blob + 1)):
        pass
    assert counts(harness) == [1, 3, 2, 0]
    send(harness, threads[0], ids[0])
    send(harness, threads[1], ids[1])
    send(harness, threads[2], ids[1])
    assert harness.damage() == []
    assert purged(harness, threads[0]) == 1
    with pytest.raises(AttachmentNotFound):
        content(harness, ids[0])
    assert content(harness, ids[1]) == THREE_PIECES
    assert purged(harness, threads[2]) == 0
    assert content(harness, ids[1]) == THREE_PIECES
    assert harness.damage() == []
    assert purged(harness, threads[1]) == 1
    assert counts(harness) == [0, 0, 0, 0]


def test_older_code_can_purge_a_thread_whose_bytes_are_then_cleaned_up(
    harness: StoreHarness,
) -> None:
    """The database deletes the rows that older code does not know together with those it knows."""
    thread = harness.thread()
    send(harness, thread, harness.attachment(THREE_PIECES))

    def purge(tx: Transaction) -> None:
        run = runs.open_runs(tx.conn, thread)[0]
        item = upstreams.ProviderData(endpoint="e", part=0, data={})
        upstreams.write_data(tx, run, [item])
        tx.flush()
        for name in ("event", "run", "message"):
            tx.execute(f"DELETE FROM {name} WHERE thread = :pk", {"pk": thread.pk})
        tx.execute("DELETE FROM thread WHERE pk = :pk", {"pk": thread.pk})

    harness.do(purge, thread.pk)
    assert counts(harness) == [1, 3, 1, 0]
    assert collected(harness, KEEPS).deleted_attachments == 1
    assert counts(harness) == [0, 0, 0, 0]
    assert harness.damage() == []


def test_the_bytes_of_equal_uploads_are_dropped_if_the_process_dies_before_it_does(
    harness: StoreHarness,
) -> None:
    for _ in range(2):
        harness.attachment(THREE_PIECES)
    assert counts(harness) == [2, 6, 2, 0]
    assert harness.damage() == []
    collected(harness, KEEPS)
    assert counts(harness) == [1, 3, 2, 0]


def test_what_nobody_sends_is_deleted_after_a_day(harness: StoreHarness) -> None:
    unsent, sent = harness.attachment(b"unsent"), harness.attachment(b"sent")
    send(harness, harness.thread(), sent)
    harness.clock.advance(UNSENT_EXPIRES_MS - 1000)
    assert collected(harness, KEEPS).deleted_attachments == 0
    harness.clock.advance(1000)
    assert collected(harness, KEEPS).deleted_attachments == 1
    with pytest.raises(AttachmentNotFound):
        content(harness, unsent)
    assert content(harness, sent) == b"sent"
    assert counts(harness) == [1, 1, 1, 1]


def test_half_an_upload_is_deleted_after_an_hour_and_its_next_piece_is_refused(
    harness: StoreHarness,
) -> None:
    upload = harness.uploading(THREE_PIECES)
    harness.clock.advance(UPLOAD_EXPIRES_MS - 1000)
    harness.do(partial(attachments.add, upload=upload, n=3, data=b"more"))
    harness.clock.advance(UPLOAD_EXPIRES_MS - 1000)
    collected(harness, KEEPS)
    assert counts(harness) == [1, 4, 0, 0]
    harness.clock.advance(1000)
    collected(harness, KEEPS)
    assert counts(harness) == [0, 0, 0, 0]
    with pytest.raises(UploadLost):
        harness.do(partial(attachments.add, upload=upload, n=4, data=b"late"))
    with pytest.raises(UploadLost):
        facts = {"name": "a", "type_": "text/plain", "sha256": "0" * 64}
        harness.do(lambda tx: attachments.finish(tx, upload, "local", size=9, **facts))


def test_a_cleanup_of_attachments_may_end_after_any_step(harness: StoreHarness) -> None:
    """The store agrees with itself all the time; each life of the process makes one step."""
    harness.attachment(THREE_PIECES)
    kept = harness.attachment(THREE_PIECES[:-1])
    harness.uploading(b"half")
    send(harness, harness.thread(), kept)
    harness.clock.advance(UNSENT_EXPIRES_MS)
    lives = 0
    while next(tidying(harness, KEEPS), None) is not None:
        lives += 1
        harness = harness.reopened()
        assert harness.damage() == []
    assert lives >= 5
    assert counts(harness) == [1, 3, 1, 1]
    assert content(harness, kept) == THREE_PIECES[:-1]
    harness.close()


def test_an_attachment_is_its_owners_alone(harness: StoreHarness) -> None:
    """L16: another user's attachment is like none, also when its bytes are known."""
    theirs = harness.attachment(b"secret", owner="ada")
    own = harness.attachment(b"secret")
    thread = harness.thread()
    for id_ in (theirs, "0" * 22):
        with pytest.raises(AttachmentNotFound):
            content(harness, id_)
        with pytest.raises(AttachmentNotFound):
            send(harness, thread, own, id_)
        with pytest.raises(AttachmentNotFound):
            harness.do(lambda tx, id_=id_: attachments.delete_unsent(tx, "local", id_))
    assert counts(harness)[-1] == 0, "a refused message holds nothing"
    assert content(harness, theirs, "ada") == content(harness, own) == b"secret"


def test_a_late_reader_gets_no_bytes_of_whoever_has_the_keys_by_now(harness: StoreHarness) -> None:
    """L16: a slow download goes on after its attachment was deleted and the keys given again."""
    mine = harness.look(
        partial(attachments.find, owner="local", attachment_id=harness.attachment())
    )
    id_ = harness.attachment(b"secret", owner="ada")
    theirs = harness.look(partial(attachments.find, owner="ada", attachment_id=id_))
    late = replace(mine, pk=theirs.pk, blob=theirs.blob)
    with pytest.raises(AttachmentNotFound):
        harness.look(lambda conn: attachments.read_piece(conn, late, 0))
    assert harness.look(lambda conn: attachments.read_piece(conn, theirs, 0)) == b"secret"


def test_the_key_of_dropped_bytes_is_never_given_again(harness: StoreHarness) -> None:
    """L16: a database by itself may give the highest key again."""
    dropped = harness.uploading(b"mine")
    harness.do(partial(attachments.abandon, upload=dropped))
    collected(harness, KEEPS)
    assert counts(harness)[0] == 0
    assert harness.uploading(b"secret", owner="ada").blob > dropped.blob


def test_a_late_upload_touches_none_that_has_its_key_by_now(harness: StoreHarness) -> None:
    """L16: an upload pauses for more than an hour, and its key is given to another user's."""
    theirs = harness.uploading(b"secret", owner="ada")
    late = replace(theirs, id=harness.uploading(b"mine").id)
    begun = harness.scalar("SELECT expires_ms FROM blob WHERE pk = :pk", pk=theirs.blob)
    with pytest.raises(UploadLost):
        harness.do(partial(attachments.add, upload=late, n=1, data=b"mine"))
    facts = {"name": "a", "type_": "text/plain", "size": 6, "sha256": sha256(b"secret").hexdigest()}
    with pytest.raises(UploadLost):
        harness.do(partial(attachments.finish, upload=late, owner="local", **facts))
    harness.do(partial(attachments.abandon, upload=late))
    assert begun == harness.scalar("SELECT expires_ms FROM blob WHERE pk = :pk", pk=theirs.blob)
    made = harness.do(partial(attachments.finish, upload=theirs, owner="ada", **facts))
    assert content(harness, made.record["id"], "ada") == b"secret"


def test_the_error_names_the_attachment_that_was_deleted_meanwhile(harness: StoreHarness) -> None:
    """On Postgres, a cleanup can delete one between a command's two statements."""
    ids = [harness.attachment(data) for data in (b"one", b"two", b"three")]
    found = [
        harness.look(partial(attachments.find, owner="local", attachment_id=id_)) for id_ in ids
    ]
    harness.do(partial(attachments.delete_unsent, owner="local", attachment_id=ids[1]))
    thread = harness.thread()
    with pytest.raises(AttachmentNotFound) as raised:
        harness.do(lambda tx: holding.hold(tx, thread, 1, found), thread.pk)
    assert raised.value.facts["attachment_id"] == ids[1]


def test_unsent_bytes_are_bounded_for_each_user(harness: StoreHarness) -> None:
    harness.uploading(b"1234567890")
    harness.attachment(b"12345")
    begin = partial(attachments.begin, limit=20)
    with pytest.raises(TooMuchUnsent):
        harness.do(partial(begin, owner="local", size=6))
    harness.do(partial(begin, owner="ada", size=20))
    harness.do(partial(begin, owner="local", size=5))


def test_copies_of_ones_own_sent_bytes_wait_without_counting(harness: StoreHarness) -> None:
    """What somebody else has sent counts, so nobody learns of it (L16)."""
    for owner in ("local", "local", "ada"):
        harness.attachment(b"12345", owner=owner)
    unsent = partial(attachments.unsent_bytes, owner="local")
    assert harness.look(unsent) == 10
    thread = harness.thread()
    send(harness, thread, harness.attachment(b"12345"))
    assert harness.look(unsent) == 0
    assert harness.look(partial(attachments.unsent_bytes, owner="ada")) == 5
    purged(harness, thread)
    assert harness.look(unsent) == 0, "a day later they are deleted, too"
    harness.attachment(b"12345")
    assert harness.look(unsent) == 5


@pytest.mark.parametrize("table", ["attachment", "blob"])
def test_a_cleanup_goes_on_past_what_it_cannot_delete(harness: StoreHarness, table: str) -> None:
    """Attachments without their bytes, and bytes that are whole: more than one page of them."""
    leave_damage(harness, table)
    id_ = harness.attachment(b"unsent")
    harness.clock.advance(UNSENT_EXPIRES_MS)
    assert collected(harness, KEEPS).deleted_attachments == 1
    with pytest.raises(AttachmentNotFound):
        content(harness, id_)
    assert harness.scalar(f"SELECT COUNT(*) FROM {table}") == PAGE_ROWS + 1
    assert harness.scalar("SELECT COUNT(*) FROM blob WHERE sha256 IS NULL") == 0


def leave_damage(harness: StoreHarness, name: str) -> None:
    """Write rows that no cleanup deletes, and that expire before all others."""
    if name == "blob":
        for pk in range(PAGE_ROWS + 1):
            sql = "INSERT INTO blob (sha256, size, expires_ms) VALUES (:sha256, 1, 1)"
            harness.sql(sql, sha256=f"{pk:064}")
        return
    ids = [harness.attachment(b"%d" % pk) for pk in range(PAGE_ROWS + 1)]
    assert len(ids) > PAGE_ROWS
    harness.sql("UPDATE attachment SET expires_ms = 1")
    without_foreign_keys(harness, "DELETE FROM blob_piece", "DELETE FROM blob")


def without_foreign_keys(harness: StoreHarness, *statements: str) -> None:
    """Change the database as a tool does that does not check what rows refer to."""
    if harness.store.database.is_sqlite:
        path = make_url(harness.url).database
        assert path is not None
        with closing(sqlite3.connect(path, timeout=PATIENCE_S)) as conn, conn:
            for statement in statements:
                conn.execute(statement)
    else:
        harness.sql("ALTER TABLE attachment DROP CONSTRAINT attachment_blob_fkey")
        for statement in statements:
            harness.sql(statement)


def test_a_day_of_uploads_is_counted(harness: StoreHarness) -> None:
    sent = harness.attachment(b"12345")
    harness.attachment(b"123")
    harness.attachment(b"123")
    send(harness, harness.thread(), sent)
    found = harness.look(read_overview)["attachments"]
    assert found == {"sent": 1, "unsent": 2, "bytes": 8}


# What is done to the database, and what verify is to say of it.
TAMPERING = {
    "a piece that is gone": (
        "DELETE FROM blob_piece WHERE n = 1",
        "attachment {id}: 2 pieces of its bytes are there",
    ),
    "a last piece that is cut": (
        "UPDATE blob_piece SET data = :short WHERE n = 2",
        "attachment {id}: its pieces have",
    ),
    "a byte that is different": (
        "UPDATE blob_piece SET data = :other WHERE n = 2",
        "attachment {id}: its bytes do not have its sha256",
    ),
    "a size that is different": (
        "UPDATE attachment SET size = 3",
        "attachment {id}: its size is 3",
    ),
    "bytes that may be dropped": (
        "UPDATE blob SET sha256 = NULL",
        "attachment {id}: its bytes are gone",
    ),
    "a held attachment that expires": (
        "UPDATE attachment SET expires_ms = 1",
        "attachment {id}: a message holds it",
    ),
    "an attachment that nobody holds": (
        "DELETE FROM message_attachment",
        "attachment {id}: no message holds it",
    ),
    "a message whose attachment is gone": (
        "DELETE FROM message_attachment",
        "its attachment {id} is gone",
    ),
    "a message that names none": (
        "UPDATE message SET parts = '[]' WHERE role = 'user'",
        "it holds attachment {id}, which it does not name",
    ),
    "bytes that nobody needs": (
        "INSERT INTO blob (sha256, size) VALUES ('00', 0)",
        "no attachment needs its bytes",
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_check_finds_damage_of_attachments(harness: StoreHarness, what: str) -> None:
    id_ = harness.attachment(THREE_PIECES)
    send(harness, harness.thread(), id_)
    assert harness.damage() == []
    sql, said = TAMPERING[what]
    harness.do(lambda tx: tx.execute(sql, {"short": b"en", "other": b"end!"[1:]}))
    assert any(said.format(id=id_) in line for line in harness.damage()), harness.damage()


def write_unsent(tx: Transaction, count: int) -> list[str]:
    """Write the rows of unsent attachments of 9 bytes; return their ids."""
    every = range(1, count + 1)
    data = {pk: b"%09d" % pk for pk in every}
    day = {"owner": "local", "size": 9, "expires_ms": tx.now_ms + UNSENT_EXPIRES_MS}
    blobs = [{"pk": pk, "size": 9, "sha256": sha256(data[pk]).hexdigest()} for pk in every]
    pieces = [{"blob": pk, "n": 0, "data": data[pk]} for pk in every]
    facts = {"name": "a", "type": "text/plain", "created_ms": tx.now_ms, **day}
    made = [{"pk": pk, "id": f"{pk:022}", "blob": pk, **facts} for pk in every]
    for row, values in ((BlobRow, blobs), (BlobPieceRow, pieces), (AttachmentRow, made)):
        tx.conn.execute(insert(table(row)), values)
    return [str(each["id"]) for each in made]


@pytest.mark.slow
def test_thousands_of_attachments_are_listed_checked_and_purged(harness: StoreHarness) -> None:
    count = 2_000  # more than are listed or purged at a time
    ids, thread = harness.do(lambda tx: write_unsent(tx, count)), harness.thread()
    for at in range(0, count, 20):
        send(harness, thread, *ids[at : at + 20])
    assert harness.damage() == []
    state = harness.look(lambda conn: read_state(conn, thread, limit=1000, before=None))
    assert sum(message["role"] == "user" for message in state["messages"]) == count / 20
    assert content(harness, ids[-1]) == b"%09d" % count
    harness.do(lambda tx: commands.delete(tx, "local", thread.id), thread.pk)
    harness.clock.advance(PURGE_AFTER_MS)
    done = collected(harness, KEEPS)
    assert done.deleted_attachments == count
    assert counts(harness) == [0, 0, 0, 0]


@postgres_only
def test_an_upload_keeps_the_bytes_that_a_cleanup_is_about_to_drop(harness: StoreHarness) -> None:
    """Two processes at once: one takes stored bytes, the other deletes their last attachment."""
    harness.attachment(b"shared")
    upload = harness.uploading(b"shared")
    other = StoreHarness(harness.url, harness.clock)
    taken, go_on = threading.Event(), threading.Event()
    known = harness.scalar("SELECT sha256 FROM blob WHERE sha256 IS NOT NULL")

    def finish(tx: Transaction) -> str:
        facts = {"name": "b", "type_": "text/plain", "sha256": known}
        made = attachments.finish(tx, upload, "local", size=6, **facts)
        taken.set()
        assert go_on.wait(PATIENCE_S)
        return made.record["id"]

    first = harness.scalar("SELECT pk FROM attachment")
    finishing = harness.store.submit(finish)
    assert taken.wait(PATIENCE_S)
    deleting = other.store.submit(lambda tx: attachments.delete_expired(tx, first, 2**60))
    waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
    late_s = time.monotonic() + PATIENCE_S
    while not harness.scalar(waits) and time.monotonic() < late_s:
        pass
    go_on.set()
    kept = finishing.result(PATIENCE_S)
    assert deleting.result(PATIENCE_S) == (True, None)
    assert content(harness, kept) == b"shared"
    collected(harness, KEEPS)
    assert harness.damage() == []
    other.close()
