"""A host with nothing but its packages becomes the platform."""

from __future__ import annotations

from collections.abc import Callable

from containers import Container
from destroying import lay_bare
from states import SERVICES, not_running, state
from upkeep_run import CONFIRMED, Run


def test_bare_host_becomes_the_platform(app: Container, well: Callable[..., Run]) -> None:
    well("backup")
    before = state(app)
    lay_bare(app)
    well("disaster_recovery", **CONFIRMED)
    after = state(app)
    assert (after.files, after.data(), after.keys) == (before.files, before.data(), before.keys)
    assert not_running(app) == set()
    assert app.sh(f"systemctl is-enabled {' '.join(SERVICES)}").split() == ["enabled"] * len(SERVICES)
    daily = well("daily")
    assert (daily.health, daily.problems()) == ("HEALTHY", set())
