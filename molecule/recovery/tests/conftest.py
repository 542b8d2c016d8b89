"""What the tests of recovery share: the hosts, playbooks to run there, and the state of the platform."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from containers import Container
from upkeep_run import Run, nothing, run_playbook


@pytest.fixture(scope="session")
def app() -> Container:
    """The host of the inventory, which is lost again and again."""
    return Container("upkeep-nsfx-app-1")


@pytest.fixture(scope="session")
def second() -> Container:
    """The second machine of the frontend."""
    return Container("upkeep-nsfx-app-2")


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Run a playbook with variables; returns what the run left behind."""

    def played(playbook: str, *arguments: str, then: Callable[[], object] = nothing, at: str = "", **variables: Any) -> Run:
        reports: Path = tmp_path_factory.mktemp(playbook)
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
