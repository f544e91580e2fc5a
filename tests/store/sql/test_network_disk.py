"""A database file on a network disk: no shared memory is asked of it, and one host has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_chat_stream.shared.errors import DatabaseOnOtherHost
from jupyter_chat_stream.store.sql.network import (
    COMMIT_EVERY_S,
    OneHost,
    file_system_of,
    is_on_network,
)
from jupyter_chat_stream.store.store import Store
from tests.store.harness import StoreHarness

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="found out on Linux only")

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:31 / /home rw,relatime shared:2 - nfs4 filer:/homes rw,vers=4.2
41 40 8:2 / /home/alice/scratch rw - xfs /dev/sdb1 rw
42 22 0:40 / /mnt/my\\040share rw - cifs //filer/share rw
43 22 0:41 / /mnt/cloud rw - fuse.rclone remote: rw
44 22 0:42 / /mnt/usb rw - fuseblk /dev/sdc1 rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTS)
    return file


@pytest.mark.parametrize(
    ("path", "kind", "is_network"),
    [
        ("/var/lib/chat", "ext4", False),
        ("/home/alice/.local/share", "nfs4", True),
        ("/home/alice/scratch/chat", "xfs", False),
        ("/homestead", "ext4", False),
        ("/mnt/my share/chat", "cifs", True),
        ("/mnt/cloud/chat", "fuse.rclone", True),
        ("/mnt/usb", "fuseblk", False),
    ],
)
def test_the_mount_that_lies_nearest_says_what_disk_it_is(
    mounts: Path, path: str, kind: str, is_network: bool
) -> None:
    assert file_system_of(Path(path), mounts) == kind
    assert is_on_network(Path(path), mounts) is is_network


def test_where_the_system_does_not_say_a_disk_is_local(tmp_path: Path) -> None:
    assert not is_on_network(tmp_path, tmp_path / "no such file")


class OnNetwork(StoreHarness):
    """A harness whose file counts as one on a network disk."""

    def opened(self) -> Store:
        return Store.open(self.url, now_ms=self.clock, network_disk=True)


@pytest.fixture
def remote(tmp_path: Path):  # type: ignore[no-untyped-def]
    harness = OnNetwork(f"sqlite:///{tmp_path / 'chat.db'}")
    yield harness
    harness.close()


def test_an_answer_is_kept_with_a_rollback_journal_and_few_commits(remote: OnNetwork) -> None:
    """L1, L7"""
    thread = remote.thread()
    claimed = remote.claimed(thread)
    begun = len(remote.commits)
    futures = [remote.put(claimed, "x") for _ in range(40)]
    for future in futures:
        future.result(20)
    assert len(remote.commits) - begun <= 3  # one at once, the rest in the next
    assert remote.scalar("PRAGMA journal_mode") == "delete"
    names = {path.name for path in Path(remote.url[10:]).parent.glob("chat.db*")}
    assert not names & {"chat.db-wal", "chat.db-shm"}
    assert remote.seqs(thread) == list(range(1, len(remote.seqs(thread)) + 1))
    assert remote.damage() == []
    assert COMMIT_EVERY_S >= 0.05


def test_a_file_that_was_on_a_local_disk_is_taken_over(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'chat.db'}"
    local = StoreHarness(url)
    local.answered()
    local.close()
    remote = OnNetwork(url, local.clock)
    assert remote.scalar("PRAGMA journal_mode") == "delete"
    assert remote.damage() == []
    remote.close()
    again = StoreHarness(url)
    assert again.scalar("PRAGMA journal_mode") == "wal"
    again.close()


HOLD = """
import sys
from pathlib import Path
from jupyter_chat_stream.store.sql.network import OneHost
held = OneHost(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_host_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), "node-1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        OneHost(tmp_path, "node-1").close()  # another process of that host
        with pytest.raises(DatabaseOnOtherHost, match=r"'node-1'.*Postgres"):
            OneHost(tmp_path, "node-2")
    finally:
        process.kill()
        process.communicate()
    second = OneHost(tmp_path, "node-2")
    with pytest.raises(DatabaseOnOtherHost, match="node-2"):
        OneHost(tmp_path, "node-1")
    second.close()


def test_of_two_hosts_that_start_at_once_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes while the first changes its lock, which it has not at all for a moment."""
    import fcntl

    held: list[OneHost] = []
    flock = fcntl.flock

    def flock_slowly(descriptor: int, kind: int) -> None:
        if kind & fcntl.LOCK_SH:
            monkeypatch.setattr(fcntl, "flock", flock)
            flock(descriptor, fcntl.LOCK_UN)
            held.append(OneHost(tmp_path, "node-2"))
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", flock_slowly)
    with pytest.raises(DatabaseOnOtherHost, match="node-2"):
        OneHost(tmp_path, "node-1")
    OneHost(tmp_path, "node-2").close()
    held[0].close()
    OneHost(tmp_path, "node-1").close()


@pytest.mark.parametrize("left", ["", "node-9"], ids=["nothing", "a dead host's name"])
def test_of_two_processes_that_start_at_once_on_one_host_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    """The second comes while the first has the lock and has not written the name yet."""
    import fcntl

    path = tmp_path / "owners" / "host.lock"
    path.parent.mkdir()
    path.write_text(left)
    with path.open("r+") as first:
        fcntl.flock(first, fcntl.LOCK_EX)

        def finish(pause_s: float) -> None:
            first.truncate(0)
            first.write("node-1")
            first.flush()
            fcntl.flock(first, fcntl.LOCK_SH)
            monkeypatch.undo()

        monkeypatch.setattr("jupyter_chat_stream.store.sql.network.time.sleep", finish)
        OneHost(tmp_path, "node-1").close()
        with pytest.raises(DatabaseOnOtherHost, match="node-1"):
            OneHost(tmp_path, "node-2")
