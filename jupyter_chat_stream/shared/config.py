"""Every setting, its unit, its default and what None means; and where things lie by default.

One class, ``ChatStream``, so that ``jupyter lab --ChatStream.default_model=…`` and
``jupyter chat-stream --ChatStream.database_url=…`` take the same names.
"""

from __future__ import annotations

from pathlib import Path

from traitlets import Bool, Enum, Float, Integer, Unicode
from traitlets.config import Configurable

from .events import MAX_DELTA_BYTES
from .folders import make_data_folder, sqlite_url

CONNECTION_ENV = "JUPYTER_CHAT_STREAM_CONNECTION"
LOCAL_OWNER = "local"


def data_dir() -> Path:
    """Make the folder for the database, the owners' locks and the keys, 0700, and return it.

    It lies under Jupyter's data directory (``JUPYTER_DATA_DIR``).

    Raises:
        DataFolderRefused: it cannot be made or written to.
    """
    from jupyter_core.paths import jupyter_data_dir

    return make_data_folder(Path(jupyter_data_dir()) / "chat-stream")


class ChatStream(Configurable):
    """Settings of the chat."""

    database_url = Unicode(
        None,
        allow_none=True,
        help="Where threads are kept, as an SQLAlchemy URL or an SQLite file's path. "
        "Default and None: chat-stream/chat.db under Jupyter's data directory. sqlite:// keeps "
        "nothing after the server ends.",
    ).tag(config=True)
    default_model = Unicode(
        None,
        allow_none=True,
        help="Model of new threads, as provider/model. Default and None: the first Claude model "
        "where a key is set when the server starts, else demo/tour.",
    ).tag(config=True)
    system = Unicode(
        None,
        allow_none=True,
        help="System prompt before every thread's and user's own. Default and None: none.",
    ).tag(config=True)
    run_in_server = Bool(
        True, help="Whether this server runs inference itself. Default: True."
    ).tag(config=True)
    delta_max_delay_ms = Integer(
        0,
        min=0,
        help="How long a piece of an answer may wait for more before it is committed, in ms. "
        "Default 0: as soon as the commit before it has ended.",
    ).tag(config=True)
    delta_max_chars = Integer(
        8192,
        min=1,
        max=MAX_DELTA_BYTES // 4,  # a character is at most four bytes
        help="Most characters in one delta event. Default 8192.",
    ).tag(config=True)
    message_save_interval_s = Float(
        0.5,
        min=0,
        help="Least time between two saves of the same unfinished message row, in seconds. "
        "Default 0.5. The events are always committed at once.",
    ).tag(config=True)
    stall_timeout_s = Float(
        120.0,
        allow_none=True,
        help="Silence of a provider after which the attempt counts as failed, in seconds. "
        "Default 120. None: wait for ever.",
    ).tag(config=True)
    max_retries = Integer(
        5, min=0, help="Retries of one run after failures of its provider. Default 5."
    ).tag(config=True)
    max_crashes = Integer(
        3,
        min=1,
        help="How often the process that works on a run may crash before the run counts as failed. "
        "Default 3.",
    ).tag(config=True)
    on_crash = Enum(
        ("continue", "restart", "interrupt"),
        "continue",
        help="What happens to an answer whose process died or whose stream was cut: continue "
        "after the text that is there (default), restart it, or leave it interrupted.",
    ).tag(config=True)
    max_active_runs = Integer(
        32, min=1, help="Runs this server works on at the same time; more wait. Default 32."
    ).tag(config=True)
    max_active_runs_per_user = Integer(
        None,
        min=1,
        allow_none=True,
        help="Runs of one user that are worked on at the same time, wherever. Default and None: "
        "no limit of its own; users take turns for what max_active_runs leaves.",
    ).tag(config=True)
    over_active_runs = Enum(
        ("queue", "refuse"),
        "queue",
        help="What becomes of a message beyond max_active_runs or max_active_runs_per_user: its "
        "run waits for its turn (queue, default), or it is refused with 429 and Retry-After.",
    ).tag(config=True)
    messages_per_minute = Integer(
        None,
        min=1,
        allow_none=True,
        help="Messages that one user may send in a minute. The server refuses a message beyond "
        "them with 429 and Retry-After. Default and None: no limit.",
    ).tag(config=True)
    lease_s = Float(
        10.0,
        min=0.4,
        help="Time after which a server or worker that has not been heard of counts as dead, in "
        "seconds, by the database's clock. Default 10. Not for SQLite: there it is a file's lock.",
    ).tag(config=True)
    retention_days = Float(
        None,
        min=0,
        allow_none=True,
        help="Days after its last event after which a thread is deleted for good. Default and "
        "None: never. Threads that people delete are purged in any case, after a day.",
    ).tag(config=True)
    keep_events_days = Float(
        30.0,
        min=0,
        allow_none=True,
        help="Days after the end of an answer for which its single deltas are kept beside the "
        "whole message. Default 30. None: for ever.",
    ).tag(config=True)
    housekeeping_interval_s = Float(
        300.0,
        min=0.01,
        help="Time between two looks for events to compact, threads to purge and room to give "
        "back, in seconds. Default 300. One process of a database does it at a time.",
    ).tag(config=True)
    sweep_interval_s = Float(
        1.0,
        min=0.05,
        help="Time between two looks for runs that are due or whose owner died, in seconds. "
        "Default 1.",
    ).tag(config=True)
    poll_interval_s = Float(
        0.25,
        min=0.005,
        help="Time between two looks for what other processes have committed, in seconds, while "
        "somebody follows. Other processes tell of their commits at once; a look finds what was "
        "not told. Default 0.25.",
    ).tag(config=True)
    synchronous = Enum(
        ("NORMAL", "FULL"),
        "NORMAL",
        help="SQLite's durability. NORMAL (default): nothing committed is lost when the process "
        "dies; the last transactions may be when the power fails. FULL: not even then.",
    ).tag(config=True)

    log_format = Enum(
        ("text", "json"),
        "text",
        help="How the chat's own log lines are written: text (default), an event's name and "
        "key=value pairs; json, one object a line. Other programs' lines are left alone.",
    ).tag(config=True)
    metrics_port = Integer(
        None,
        min=0,
        max=65535,
        allow_none=True,
        help="Port on which a worker serves its metrics for Prometheus. Default and None: none. "
        "0: any free one, which is logged. A server has them at its own /metrics.",
    ).tag(config=True)
    metrics_address = Unicode(
        "127.0.0.1",
        help="Address on which a worker serves its metrics. Default: 127.0.0.1. They name no "
        "person and no thread, but nobody is asked for a token there.",
    ).tag(config=True)

    network_disk = Bool(
        None,
        allow_none=True,
        help="Whether an SQLite file lies on a network disk: then it has a rollback journal, at "
        "most 20 commits a second, and one host at a time. Default and None: the server finds it "
        "out, on Linux.",
    ).tag(config=True)

    def resolved_database_url(self) -> str:
        """Return the database's URL, the default's where none is set.

        Raises:
            DataFolderRefused: the default's folder cannot be made or written to.
        """
        return self.database_url or sqlite_url(data_dir() / "chat.db")
