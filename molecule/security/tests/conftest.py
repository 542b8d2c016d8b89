"""What the tests of the scenario share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from break_in import flood, guess, look_around, make_itself_at_home
from containers import Container
from shop import SHOPS
from upkeep_run import Run, run_playbook


@pytest.fixture(scope="session")
def broken_into() -> None:
    """Let the attacker break into both shops."""

    def attack(shop: Container) -> None:
        look_around(shop)
        flood(shop)
        guess(shop)
        make_itself_at_home(shop)

    with ThreadPoolExecutor() as pool:
        list(pool.map(attack, SHOPS.values()))


@pytest.fixture(scope="session")
def audit(broken_into: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the weekly audit after that."""
    return run_playbook("security_audit", Path(tmp_path_factory.mktemp("reports")))
