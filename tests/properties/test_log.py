"""L1, L2, L4, L5, L6, L7, L8 and L10, driven by chance; see machine.py."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

from tests.properties.machine import LogMachine

TestTheLog = LogMachine.TestCase
TestTheLog.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    derandomize=True,  # the same walks everywhere: a failure in CI is a failure here
    phases=[Phase.explicit, Phase.generate],  # add Phase.shrink (minutes) to look into a failure
    report_multiple_bugs=False,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
