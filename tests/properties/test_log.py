"""L1, L2, L4, L5, L6, L7, L8 and L10, driven by chance on both databases; see machine.py."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.postgres import Postgres
from tests.properties.machine import LogMachine

WALKS = settings(
    max_examples=60,
    stateful_step_count=40,
    derandomize=True,  # the same walks everywhere: a failure in CI is a failure here
    phases=[Phase.explicit, Phase.generate],  # add Phase.shrink (minutes) to look into a failure
    report_multiple_bugs=False,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class PostgresMachine(LogMachine):
    """The same on Postgres, each walk in a database of its own."""

    server: Postgres
    template: str

    def make_database(self) -> str:
        self.name = self.server.create_database(self.template)
        return self.server.url(self.name)

    def drop_database(self) -> None:
        super().drop_database()
        self.server.drop_database(self.name)


@pytest.fixture(scope="module", autouse=True)
def _server(postgres_server: Postgres, postgres_template: str) -> None:
    PostgresMachine.server = postgres_server
    PostgresMachine.template = postgres_template


TestTheLog = LogMachine.TestCase
TestTheLog.settings = WALKS

TestTheLogOnPostgres = PostgresMachine.TestCase
TestTheLogOnPostgres.settings = settings(WALKS, max_examples=12)
