"""What the tests of recovery share: the hosts, playbooks to run there, and the state of the platform."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from containers import Container
from upkeep_run import PROJECT, Run, nothing, run_playbook

#: The reports of the runs stay here when the containers go: docs/recovery.md has its figures from them.
REPORTS = PROJECT / ".cache/molecule/recovery_reports"


@pytest.fixture(scope="session")
def app() -> Container:
    """The host of the inventory, which is lost again and again."""
    return Container("upkeep-nsfx-app-1")


@pytest.fixture(scope="session")
def second() -> Container:
    """The second machine of the frontend."""
    return Container("upkeep-nsfx-app-2")


@pytest.fixture(scope="session")
def play() -> Callable[..., Run]:
    """Run a playbook with variables; returns what the run left behind."""
    shutil.rmtree(REPORTS, ignore_errors=True)
    number = count(1)

    def played(playbook: str, *arguments: str, then: Callable[[], object] = nothing, at: str = "", **variables: Any) -> Run:
        reports = REPORTS / f"{next(number):02}_{playbook}"
        return run_playbook(playbook, reports, "-e", json.dumps(variables), *arguments, at=at, then=then)

    return played


@pytest.fixture(scope="session")
def well(play: Callable[..., Run]) -> Callable[..., Run]:
    """Run a playbook that must end well."""

    def played(playbook: str, *arguments: str, **variables: Any) -> Run:
        run = play(playbook, *arguments, **variables)
        assert run.status == 0, run.output
        return run

    return played
