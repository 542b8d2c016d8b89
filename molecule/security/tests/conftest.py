"""What the tests of the scenario share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from break_in import HIDDEN, flood, guess, look_around, make_itself_at_home, make_key
from containers import Container, run_podman
from shop import SHOPS
from upkeep_run import Run, run_playbook


@pytest.fixture(scope="session")
def broken_into() -> None:
    """Let the attacker break into both shops, once for each pair of containers."""

    def attack(shop: Container) -> None:
        if run_podman("exec", shop.name, "test", "-e", HIDDEN).returncode == 0:
            return
        look_around(shop)
        flood(shop)
        guess(shop)
        make_itself_at_home(shop)

    make_key()
    with ThreadPoolExecutor() as pool:
        list(pool.map(attack, SHOPS.values()))


@pytest.fixture(scope="session")
def audit(broken_into: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the weekly audit after that."""
    limits = ["-e", "security_audit_logins_warning_per_address=5", "-e", "security_audit_logins_warning_per_user=5"]
    return run_playbook("security_audit", Path(tmp_path_factory.mktemp("reports")), *limits)
