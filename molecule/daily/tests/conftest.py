"""What the tests of the daily run share: the two hosts, and the run itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from containers import Container
from upkeep_run import Run, run_playbook


@pytest.fixture(scope="session")
def app() -> Container:
    """The host of the inventory: backend, frontend and nginx."""
    return Container("upkeep-nsfx-app-1")


@pytest.fixture(scope="session")
def second() -> Container:
    """The second machine of the frontend."""
    return Container("upkeep-nsfx-app-2")


@pytest.fixture
def daily(tmp_path: Path, app: Container) -> Iterator[Callable[..., Run]]:
    """Run the daily playbook with an empty report directory; returns what the run left behind."""
    number = count(1)
    yield lambda *arguments, **events: run_playbook("daily", tmp_path / str(next(number)), *arguments, **events)
    # What the test stopped was started again; the next test begins when it answers.
    app.wait_for_services()
