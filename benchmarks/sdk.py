"""(b) The same path through the real SDK: our share of the CPU beside the SDK's own.

The fake Claude API is a process of its own. A iterates the SDK's stream and drops what comes; B is
the whole path, with a reader for each thread. Our share is what B costs more than A, a chunk.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_chat_stream.providers.anthropic import AnthropicProvider
from jupyter_chat_stream.service import Service

from .durability import LocalFollower
from .load import MARK, OWNER, make_threads, running_service, start_runs
from .processes import ROOT
from .report import Section, times

NAME = "claude-opus-4-5"
PACE_S = 0.02
STAGGER_S = 0.0073  # so that the answers do not come in step


def run(*, quick: bool = False) -> Section:
    """Measure 1, 10 and 40 answers at about 50 chunks a second each."""
    seconds, rounds, sizes = (0.5, 1, (4,)) if quick else (3.0, 2, (1, 10, 40))
    return asyncio.run(_run(sizes, rounds, seconds))


async def _run(sizes: tuple[int, ...], rounds: int, seconds: float) -> Section:
    rows = [["answers × 50/s", "ours : SDK's", "SDK alone, CPU µs a chunk", "all", "our share"]]
    script = {"default": {"chunk_chars": MARK, "delay_s": PACE_S, "chars": 20_000}}
    with _fake_api(script) as url:
        for answers in sizes:
            alone, whole = [0.0, 0.0], [0.0, 0.0]
            for _ in range(rounds):
                for total, measure in ((alone, _alone), (whole, _whole)):
                    cpu_s, chunks = await measure(url, answers, seconds)
                    total[0] += cpu_s
                    total[1] += chunks
            theirs, all_ = (total[0] / total[1] * 1e6 for total in (alone, whole))
            rows.append(
                [str(answers), times((all_ - theirs) / theirs), f"{theirs:.0f}", f"{all_:.0f}",
                 f"{all_ - theirs:.0f}"]
            )  # fmt: skip
    return Section(
        name="b",
        title="through the real SDK",
        goal="our share at most the SDK's own",
        rows=rows,
        notes=[
            "our share: provider, coalescing, commit, publishing and one reader a thread",
            "missed: 1.2 to 1.6 times here, 1.1 to 2.2 in other runs; "
            "without isolating it, we take two turns of the loop and a commit where the SDK "
            "takes one turn",
        ],
    )


async def _alone(url: str, answers: int, seconds: float) -> tuple[float, int]:
    """Iterate the SDK's streams; gives CPU seconds and chunks."""
    import anthropic

    client = anthropic.AsyncAnthropic(
        api_key="fake", base_url=url, max_retries=0, http_client=anthropic.DefaultAioHttpClient()
    )
    chunks = 0

    async def iterate() -> None:
        nonlocal chunks
        stream = await client.messages.create(
            model=NAME,
            max_tokens=8192,
            messages=[{"role": "user", "content": "go"}],
            stream=True,
        )
        async for event in stream:
            chunks += event.type == "content_block_delta"

    tasks = []
    for _ in range(answers):
        tasks.append(asyncio.ensure_future(iterate()))
        await asyncio.sleep(STAGGER_S)
    await asyncio.sleep(min(1.0, seconds))
    gc.collect()
    before, cpu_s = chunks, time.process_time()
    await asyncio.sleep(seconds)
    found = time.process_time() - cpu_s, chunks - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    return found


async def _whole(url: str, answers: int, seconds: float) -> tuple[float, int]:
    """Let runs answer, each with a reader; gives CPU seconds and chunks."""
    provider = AnthropicProvider(environ={"ANTHROPIC_API_KEY": "fake", "ANTHROPIC_BASE_URL": url})
    await provider.warm()
    async with running_service(provider, default_model=f"anthropic/{NAME}") as service:
        threads = await make_threads(service, answers)
        follower = await LocalFollower.start(service, threads)
        for thread in threads:
            await start_runs(service, [thread])
            await asyncio.sleep(STAGGER_S)
        await asyncio.sleep(min(1.0, seconds))
        gc.collect()
        before, cpu_s = await _count_chars(service, threads), time.process_time()
        await asyncio.sleep(seconds)
        cpu_s = time.process_time() - cpu_s
        chars = await _count_chars(service, threads) - before
        follower.close()
        return cpu_s, chars // MARK


async def _count_chars(service: Service, threads: list[str]) -> int:
    """Return how much text is in the log."""
    states = [await service.state(OWNER, thread) for thread in threads]
    return sum(len(message["content"]) for state in states for message in state["messages"])


@contextmanager
def _fake_api(script: object) -> Iterator[str]:
    """Run the fake API as a process; gives its address."""
    with tempfile.TemporaryDirectory(prefix="chat-stream-bench-") as folder:
        file = Path(folder) / "script.json"
        file.write_text(json.dumps(script), "utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_chat_stream.testing", "--script", str(file)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()
