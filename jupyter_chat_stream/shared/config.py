"""All settings, each with its unit, its default and the meaning of None; and the default folder.

There is one class, ``ChatStream``, so that ``jupyter lab --ChatStream.default_model=…`` and
``jupyter chat-stream --ChatStream.database_url=…`` use the same names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Integer, List, Unicode
from traitlets.config import Configurable

from .events import MAX_DELTA_BYTES
from .folders import make_data_folder, sqlite_url

CONNECTION_ENV = "JUPYTER_CHAT_STREAM_CONNECTION"
LOCAL_OWNER = "local"

MAX_ATTACHMENT_BYTES = 64 * 1024 * 1024

# How long a part that stops waits for its own tasks.
STOP_WITHIN_S = 5.0


def data_dir() -> Path:
    """Create the folder of the database, the locks and the keys (mode 0700), and return it.

    It is under Jupyter's data directory (``JUPYTER_DATA_DIR``).

    Raises:
        DataFolderRefused: the folder cannot be created or written to.
    """
    from jupyter_core.paths import jupyter_data_dir

    return make_data_folder(Path(jupyter_data_dir()) / "chat-stream")


class JsonDict(Dict):
    """A dictionary, on the command line in JSON (``true``) or in Python (``True``)."""

    def from_string(self, s: str) -> dict[str, Any] | None:
        try:
            value = json.loads(s)
        except ValueError:
            value = None
        return value if isinstance(value, dict) else super().from_string(s)

    def from_string_list(self, s_list: list[str]) -> Any:
        return self.from_string(s_list[0]) if len(s_list) == 1 else super().from_string_list(s_list)


class ChatStream(Configurable):
    """Settings of the chat."""

    database_url = Unicode(
        None,
        allow_none=True,
        help="The database of the threads, as an SQLAlchemy URL or the path of an SQLite file. "
        "Default and None: chat-stream/chat.db under Jupyter's data directory. The database "
        "sqlite:// ends with the server.",
    ).tag(config=True)
    default_model = Unicode(
        None,
        allow_none=True,
        help="Model of new threads, as provider/model. Default and None: the first model of an "
        "endpoint that has its key, else demo/tour.",
    ).tag(config=True)
    allowed_models = List(
        Unicode(),
        None,
        allow_none=True,
        help="Models that people may use, as patterns of provider/model, where * stands for any "
        "characters: ['anthropic/*', 'ollama/llama3*']. The server neither lists nor calls other "
        "models. Give workers the same setting, and set default_model to one of these models. "
        "Default and None: all models.",
    ).tag(config=True)
    endpoints = JsonDict(
        help="Addresses of model servers, by name. The name is the first part of a model id, as in "
        "endpoint/model. An address is an object with base_url, and optional fields: dialect "
        "(chat, messages or responses; default: responses for OpenAI itself, else chat), "
        "background (for responses: whether the address continues an answer by itself, so that the "
        "chat can join the answer again after a crash; default: true for OpenAI itself, else "
        "false), key_env (the environment variable with the key), key_file (the file with the "
        "key), headers (an object), models (a list of names, instead of the address's own list), "
        "context_tokens, and can (a list of images, documents, reasoning and tools, if the address "
        "does not tell what its models can do). The endpoints anthropic and openai exist without "
        "this setting; an entry changes only the fields that it names. Default: no others.",
    ).tag(config=True)
    keys_from_page = Bool(
        True,
        help="Whether the owner of this server may set the keys of endpoints on the page. The "
        "server keeps such a key in its key file (mode 0600). Default: True. False: keys come only "
        "from the environment and from existing key files.",
    ).tag(config=True)
    find_local_models = Bool(
        True,
        help="Whether the server looks for Ollama, llama.cpp, LM Studio and vLLM on their usual "
        "ports of this machine, when somebody asks for the list of models. Default: True. Set it "
        "to False if you do not trust other users of this machine, who may listen on these ports.",
    ).tag(config=True)
    system = Unicode(
        None,
        allow_none=True,
        help="System prompt, sent before the system prompts of the user and of the thread. Default "
        "and None: none.",
    ).tag(config=True)
    title_threads = Bool(
        True,
        help="Whether a thread without a title gets the first sentence of its first question as "
        "title. Default: True. The server never replaces a title of a person.",
    ).tag(config=True)
    run_in_server = Bool(True, help="Whether this server executes runs itself. Default: True.").tag(
        config=True
    )
    delta_max_delay_ms = Integer(
        0,
        min=0,
        help="How long the server may collect pieces of an answer before it commits them, in ms. "
        "Default 0: it commits as soon as the previous commit has ended.",
    ).tag(config=True)
    delta_max_chars = Integer(
        8192,
        min=1,
        max=MAX_DELTA_BYTES // 4,  # a character is at most four bytes
        help="Maximum of characters in one delta event. Default 8192.",
    ).tag(config=True)
    message_save_interval_s = Float(
        0.5,
        min=0,
        help="Minimum time between two saves of the row of an unfinished message, in seconds. "
        "Default 0.5. This does not delay the commits of events.",
    ).tag(config=True)
    stall_timeout_s = Float(
        120.0,
        allow_none=True,
        help="Seconds without data from the provider after which an attempt counts as failed. "
        "Default 120. None: the attempt waits for ever.",
    ).tag(config=True)
    max_retries = Integer(
        5, min=0, help="Maximum of retries of one run after failures of its provider. Default 5."
    ).tag(config=True)
    max_crashes = Integer(
        3,
        min=1,
        help="Number of crashes after which a run counts as failed. A crash is the death of the "
        "process that works on the run. Default 3.",
    ).tag(config=True)
    on_crash = Enum(
        ("continue", "restart", "interrupt"),
        "continue",
        help="What happens to an answer whose process died or whose stream was cut. continue "
        "(default): the next attempt continues after the written text. restart: the next attempt "
        "begins anew. interrupt: the run ends as interrupted.",
    ).tag(config=True)
    max_active_runs = Integer(
        32,
        min=1,
        help="Maximum of runs that this server executes at the same time; others wait. Default 32.",
    ).tag(config=True)
    max_active_runs_per_user = Integer(
        None,
        min=1,
        allow_none=True,
        help="Maximum of runs of one user that all servers and workers together execute at the "
        "same time. Default and None: only max_active_runs limits them, and the users take turns.",
    ).tag(config=True)
    over_active_runs = Enum(
        ("queue", "refuse"),
        "queue",
        help="What happens to a message beyond max_active_runs or max_active_runs_per_user. queue "
        "(default): its run waits for its turn. refuse: the server responds with 429 and "
        "Retry-After.",
    ).tag(config=True)
    messages_per_minute = Integer(
        None,
        min=1,
        allow_none=True,
        help="Messages that one user may send in a minute. The server refuses further messages "
        "with 429 and Retry-After. Default and None: no limit.",
    ).tag(config=True)
    max_attachment_bytes = Integer(
        20 * 1024 * 1024,
        min=1,
        max=MAX_ATTACHMENT_BYTES,
        help="Maximum of bytes of one attachment. Default 20971520 (20 MB), at most 67108864, "
        "because a run keeps the attachments of its prompt in memory. The unsent attachments of a "
        "user may have 20 times as many bytes together; they are deleted after one day.",
    ).tag(config=True)
    allowed_tools = List(
        Unicode(),
        ["*"],
        help="Tools that models may call, as patterns of names, where * stands for any characters: "
        "['kernel', 'notebook', 'github_*']. The patterns also apply to tools that a page or a "
        "kernel offers. Give workers the same setting. Default: ['*'], all tools.",
    ).tag(config=True)
    denied_tools = List(
        Unicode(),
        [],
        help="Tools that models may not call, as patterns of names, even if allowed_tools names "
        "them. Default: none. Give workers the same setting.",
    ).tag(config=True)
    default_tools = List(
        Unicode(),
        [],
        help="Names of the tools that are on in a thread in which nobody has chosen tools, besides "
        "the offered functions. Default: none.",
    ).tag(config=True)
    mcp_config = Unicode(
        None,
        allow_none=True,
        help="Path of the file that names MCP servers (mcpServers), whose tools models may call. "
        "Default and None: mcp.json in the first folder of Jupyter's configuration with that file "
        "(jupyter --paths lists the folders). An empty text: no MCP servers. Give workers the same "
        "file.",
    ).tag(config=True)
    mcp_trusted = List(
        Unicode(),
        [],
        help="Trusted MCP servers, as patterns of their names. Only their hints count: a tool with "
        "the hint that it only reads is called without a question, and a call of a tool with the "
        "hint that it may be repeated is repeated after a crash. Default: none, so every call "
        "asks.",
    ).tag(config=True)
    mcp_timeout_s = Float(
        300.0,
        min=0.1,
        help="Seconds within which an MCP server must answer a call. After that the call fails, "
        "although the server may have made it. Default 300.",
    ).tag(config=True)
    tool_owners = List(
        Unicode(),
        None,
        allow_none=True,
        help="Names of the people whose answers may use this process's files (files_root), MCP "
        "servers with their tokens, and scratch kernels. Servers that share a database also "
        "execute answers of other people. Default and None: on JupyterHub the owner of the server; "
        "elsewhere, and in workers, everybody.",
    ).tag(config=True)
    files_root = Unicode(
        None,
        allow_none=True,
        help="Folder below which the tool files reads. Default and None: the root folder of the "
        "Jupyter server, if its files are on a disk and no authorizer limits who may read them. "
        "With run_in_server=False and in a worker there is no default, so give servers and workers "
        "the same folder. An empty text: the tool files does not exist.",
    ).tag(config=True)
    shows_hidden_files = Bool(False)  # the contents manager's ``allow_hidden``
    private_files = List(Unicode())  # of the Jupyter server: its keys and configuration
    tool_expires_s = Float(
        86400.0,
        min=1,
        help="Seconds for which a tool call waits for a person's consent, for an executor, and for "
        "its result. After that the call fails, and the answer continues. Default 86400, a day.",
    ).tag(config=True)
    tool_lease_s = Float(
        30.0,
        min=0.4,
        help="Seconds without a sign of life after which the executor of a tool call counts as "
        "dead. Default 30.",
    ).tag(config=True)
    max_tool_rounds = Integer(
        50,
        min=1,
        help="Maximum of rounds of tool calls in one answer. After that the answer ends with a "
        "note. Default 50.",
    ).tag(config=True)
    scratch_kernel = Unicode(
        "",
        help="Name of the kernel in which build_component tries the cells that it writes, as in "
        "jupyter kernelspec list. It must be a Python kernel with ipywidgets. Default: empty, the "
        "server's default kernel. Give workers the same setting.",
    ).tag(config=True)
    scratch_timeout_s = Float(
        30.0,
        min=1,
        max=3600,
        help="Seconds for which a cell may run in its scratch kernel. Default 30.",
    ).tag(config=True)
    scratch_memory_mb = Integer(
        4096,
        min=256,
        help="Megabytes of memory that a scratch kernel may reserve (its address space). Default "
        "4096. Linux and macOS only.",
    ).tag(config=True)
    lease_s = Float(
        10.0,
        min=0.4,
        help="Seconds without a sign of life after which a server or worker counts as dead, by the "
        "database's clock. Default 10. Postgres only: on SQLite each process holds a file lock.",
    ).tag(config=True)
    retention_days = Float(
        None,
        min=0,
        allow_none=True,
        help="Days without an event after which a thread is deleted for good. Default and "
        "None: never. A thread that a person has deleted is always purged after one day.",
    ).tag(config=True)
    keep_events_days = Float(
        30.0,
        min=0,
        allow_none=True,
        help="Days for which the deltas of an ended answer are kept besides the whole message. "
        "Default 30. None: for ever.",
    ).tag(config=True)
    housekeeping_interval_s = Float(
        300.0,
        min=0.01,
        help="Seconds between two rounds of housekeeping, which compacts events, purges threads "
        "and frees disk space. Default 300. Only one process of a database does this at a time.",
    ).tag(config=True)
    sweep_interval_s = Float(
        1.0,
        min=0.05,
        help="Seconds between two searches for runs that are due or whose process died. Default 1.",
    ).tag(config=True)
    poll_interval_s = Float(
        0.25,
        min=0.005,
        help="Seconds between two polls for commits of other processes, while a reader follows a "
        "thread. Other processes announce their commits at once; a poll finds the commits whose "
        "announcement was lost. Default 0.25.",
    ).tag(config=True)
    synchronous = Enum(
        ("NORMAL", "FULL"),
        "NORMAL",
        help="Durability of SQLite. NORMAL (default): a dead process loses no commit; a power "
        "failure may lose the last commits. FULL: a power failure loses no commit, either.",
    ).tag(config=True)

    log_format = Enum(
        ("text", "json"),
        "text",
        help="Format of the chat's own log lines. text (default): the name of an event and "
        "key=value pairs. json: one object per line. Lines of other programs do not change.",
    ).tag(config=True)
    metrics_port = Integer(
        None,
        min=0,
        max=65535,
        allow_none=True,
        help="Port on which a worker serves its metrics for Prometheus. Default and None: none. "
        "0: a free port, which the worker logs. A server serves its metrics at its own /metrics.",
    ).tag(config=True)
    metrics_address = Unicode(
        "127.0.0.1",
        help="Address on which a worker serves its metrics. Default: 127.0.0.1. The metrics need "
        "no token; they contain no names of people or threads.",
    ).tag(config=True)

    network_disk = Bool(
        None,
        allow_none=True,
        help="Whether the SQLite file is on a network disk. If so, the server uses a rollback "
        "journal, makes at most 20 commits a second, and allows only one host at a time. Default "
        "and None: the server detects a network disk on Linux.",
    ).tag(config=True)

    def resolved_database_url(self) -> str:
        """Return the URL of the database; the default URL if none is set.

        Raises:
            DataFolderRefused: the default folder cannot be created or written to.
        """
        return self.database_url or sqlite_url(data_dir() / "chat.db")
