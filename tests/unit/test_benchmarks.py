"""The benchmarks run; how fast anything is on this machine is no test's business."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import MODULES, main
from benchmarks.durability import Figures, Side, measure
from benchmarks.report import Section, percentile, write


@pytest.mark.parametrize("side", ["memory", "durable"])
async def test_every_chunk_comes_with_and_without_a_commit(side: Side) -> None:
    figures = Figures()
    await measure(figures, side, "reader", 2, 0.2)
    assert figures.chunks > 0
    assert figures.missing == 0
    assert 0 < figures.best[0] <= figures.best[1]
    assert figures.cpu_us > 0


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


def section(name: str, found: str) -> Section:
    return Section(name=name, title="a title", goal="a goal", rows=[["", "x"], [found, "1"]])
