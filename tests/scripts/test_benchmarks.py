"""The benchmarks run; how fast anything is on this machine is no test's business."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from benchmarks import (
    crowd,
    endpoints,
    listing,
    plugins,
    readers,
    sdk,
    sending,
    stamps,
    uploading,
    workers,
)
from benchmarks.__main__ import MODULES, main
from benchmarks.durability import Figures, Side, measure
from benchmarks.frames import CLOSE, PING, TEXT, Cutter, masked
from benchmarks.report import Section, percentile, write
from benchmarks.upstreams import UPSTREAMS, Upstream
from jupyter_chat_stream.shared.subscription import Subscription


@pytest.mark.parametrize("side", ["memory", "durable"])
async def test_every_chunk_comes_with_and_without_a_commit(side: Side) -> None:
    figures = Figures()
    await measure(figures, side, "reader", 2, 0.2)
    assert figures.chunks > 0
    assert figures.missing == 0
    assert 0 < figures.best[0] <= figures.best[1]
    assert figures.cpu_us > 0


@pytest.mark.parametrize("upstream", UPSTREAMS, ids=lambda each: each.dialect)
async def test_chunks_of_each_dialect_come_by_its_sdk_by_our_provider_and_to_a_reader(
    upstream: Upstream,
) -> None:
    row = sdk.Row()
    await sdk._measure(row, upstream, 2, 0.2)
    assert all(way.chunks > 0 < way.us for way in (row.alone, row.provider, row.whole))


async def test_the_models_are_timed_beside_other_requests() -> None:
    asked = await endpoints._measure(0, 1)
    assert len(asked.models_s) == len(asked.again_s) == 1
    assert len(asked.threads_s) >= 2 * endpoints.SAMPLES
    assert asked.errors == 0


async def test_streams_are_timed_beside_uploads() -> None:
    size = uploading.Size(runs=2, upload_bytes=500_000, seconds=0.3, rounds=1)
    alone, beside = await uploading._run(size)
    assert alone.taken_s
    assert beside.uploads_s
    assert alone.missing + beside.missing == 0


async def test_the_loop_is_watched_while_a_file_is_sent() -> None:
    assert all(await sending._measure(UPSTREAMS[1], 100_000, 1))


def test_both_lists_are_read_on_both_databases() -> None:
    section = listing.run(quick=True)
    assert len(section.rows) == 1 + 2 * (len(listing.READS) + 1)


def test_a_section_replaces_its_older_self_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    write([section("a", "first"), section("b", "second")], page)
    write([section("a", "again")], page)
    text = page.read_text("utf-8")
    assert text.index("again") < text.index("second")
    assert "first" not in text
    assert text.count("## ") == 2


def test_results_name_neither_host_nor_path(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    write([section("a", "first")], page)
    assert str(Path.home()) not in page.read_text("utf-8")


def test_a_benchmark_that_is_none_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["nonsense"])
    said = capsys.readouterr().err
    assert all(name in said for name in MODULES)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 3), (0.99, 4), (1.0, 4)])
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert percentile([4, 2, 1, 3], share) == expected


async def test_a_crowd_of_readers_has_exactly_the_answers_and_the_echo_its_times() -> None:
    """With a real server, a real kernel and the reading process."""
    load = crowd.Load(runs=2, seconds=1.0, quiet_s=0.5)
    found = await crowd.measure(load, "SQLite")
    assert found.wrong() == 0
    assert len(found.ages_s()) == load.runs * int(crowd.PER_S * load.seconds) * crowd.READERS
    for echoes in (found.echoes, found.others):
        assert all(found.echo_s(echoes, loaded=loaded, prompt=True) for loaded in (False, True))
    assert found.lags_s
    assert found.shares["server"] > 0


async def test_a_reader_without_exactly_the_answer_is_counted() -> None:
    answers = {"t": readers.digest("all of it")}
    right: dict[str, Any] = {
        "thread": "t",
        "digests": [answers["t"]],
        "statuses": ["completed"],
        "trouble": None,
    }
    wrong: list[dict[str, Any]] = [
        {"digests": [readers.digest("all of")]},
        {"statuses": ["processing"]},
        {"digests": [answers["t"]] * 2},
        {"trouble": "a gap"},
    ]
    found = crowd.Found(
        lags_s=[],
        collections_s=[],
        quiet_lags_s=[],
        echoes=[],
        others=[],
        loaded_ns=(0, 0),
        busy_ns=(0, 0),
        shares={},
        sockets=[{"readers": [right, *({**right, **each} for each in wrong)], "ages": []}],
        answers=answers,
    )
    assert found.wrong() == len(wrong)


@pytest.mark.parametrize("step", [1, 3, 1000, 1_000_000])
def test_frames_are_cut_wherever_the_bytes_were(step: int) -> None:
    texts = [b"x" * size for size in (0, 125, 126, 65_535, 65_536)]
    frames = [(TEXT, text) for text in texts] + [(PING, b"p"), (CLOSE, b"")]
    stream = b"HTTP/1.1 101 Switching\r\n\r\n" + b"".join(server_frame(*each) for each in frames)
    cutter = Cutter()
    cut = [
        frame
        for first in range(0, len(stream), step)
        for frame in cutter.feed(stream[first : first + step])
    ]
    assert cut == frames


def server_frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame without its mask."""
    made = bytearray(masked(opcode, payload))
    made[1] &= 0x7F
    mask_at = len(made) - len(payload) - 4
    del made[mask_at : mask_at + 4]
    return bytes(made)


def test_a_refused_socket_is_an_error() -> None:
    with pytest.raises(ConnectionError):
        Cutter().feed(b"HTTP/1.1 403 Forbidden\r\n\r\n")


def test_a_stamp_is_as_old_as_it_is_also_when_its_clock_has_wrapped() -> None:
    turn_us = 16**stamps.WIDTH
    assert stamps.age_s(f"{5:010x}", 1_000_005 * 1000) == 1.0
    assert stamps.age_s(f"{2:010x}", (turn_us + 5) * 1000) == pytest.approx(3e-6)


def test_a_stamp_counts_once_it_is_whole() -> None:
    folded = readers.Folded(subscription=Subscription("t"))
    mark = stamps.stamp()
    for text in (mark[:4], mark[4:] + mark[:9], mark[9:]):
        event = {"type": "delta", "message_id": "m", "text": text}
        folded.receive(0, {"op": "other", "events": [event]})
    assert [found for found, _ in folded.ages] == [mark, mark]


def test_answers_count_while_all_workers_are_at_work() -> None:
    """One answer a second before they are warm, ten after."""
    ended = [*range(0, 10_000, 1000), *range(10_000, 110_000, 100)]
    ready_ms = 10_000.0 - workers.WARM_S * 1000
    assert workers._rate(ended, ready_ms) == pytest.approx(10.0)


def test_the_benchmarks_providers_are_found_where_they_were_put(tmp_path: Path) -> None:
    (found,) = distributions(path=[str(plugins.install(tmp_path / "plugins"))])
    group = found.entry_points.select(group="jupyter_chat_stream.providers")
    assert {point.name for point in group} == {"calls", "flowing", "stamps"}
    assert all(point.load()().models() for point in group)


def section(name: str, found: str) -> Section:
    return Section(name=name, title="a title", goal="a goal", rows=[["", "x"], [found, "1"]])
