"""Browser tests run in two of the processes, and no test is run twice or left out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests import distribution
from tests.distribution import BrowsersApart, is_browser_test

BROWSER_MODULES = [f"tests/e2e/test_{letter}.py" for letter in "abcd"]
OTHERS = [f"tests/store/test_{letter}.py" for letter in "abcdefgh"]


class FakeNode:
    """A process of xdist: what it was sent, and how much of it has run."""

    shutting_down = False

    def __init__(self, number: int, tests: list[str]) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self._tests = tests
        self.sent: list[str] = []
        self.run = 0

    def send_runtest_some(self, indexes: list[int]) -> None:
        self.sent += [self._tests[index] for index in indexes]

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.fixture
def begun(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Four processes that were given their first modules, of three tests each."""
    modules = [*BROWSER_MODULES[:2], *OTHERS, *BROWSER_MODULES[2:]]
    tests = [f"{module}::test_{number}" for module in modules for number in range(3)]
    nodes = [FakeNode(number, tests) for number in range(4)]
    known = lambda config: nodes  # noqa: E731
    monkeypatch.setattr("xdist.scheduler.loadscope.parse_tx_spec_config", known)
    scheduler = BrowsersApart(request.config)
    for node in nodes:
        scheduler.add_node(node)
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    return scheduler, nodes, tests


def run(scheduler: BrowsersApart, nodes: list[FakeNode], tests: list[str]) -> None:
    """Let these processes run a test each in turn, until none of them has one."""
    while waiting := [node for node in nodes if node.run < len(node.sent)]:
        for node in waiting:
            scheduler.mark_test_complete(node, tests.index(node.sent[node.run]))
            node.run += 1


def test_two_processes_run_the_browser_tests_and_the_others_the_rest(begun: Any) -> None:
    scheduler, nodes, tests = begun
    run(scheduler, nodes, tests)
    assert sorted(test for node in nodes for test in node.sent) == sorted(tests)
    for number, node in enumerate(nodes):
        is_first = number < distribution.BROWSERS
        assert is_browser_test(node.sent[0]) == is_first
        assert any(map(is_browser_test, node.sent)) == is_first


def test_whoever_has_nothing_else_helps_with_the_browser_tests(begun: Any) -> None:
    scheduler, nodes, tests = begun
    others = nodes[distribution.BROWSERS :]
    run(scheduler, others, tests)
    assert any(is_browser_test(test) for node in others for test in node.sent)
    assert not scheduler.workqueue
