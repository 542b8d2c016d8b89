"""Real servers, started once for all tests of a run."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from ansible_collections.upkeep.runbook.tests.integration import servers
from ansible_collections.upkeep.runbook.tests.integration.servers import Server
from ansible_collections.upkeep.runbook.tests.unit.plugins.needing_root import root

__all__ = ["root"]


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """PostgreSQL; ``options`` are those of a dump, without its type and database."""
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """MariaDB; ``options`` are those of a dump, without its type and database."""
    with servers.mariadb() as server:
        yield server


@pytest.fixture
def redis_server() -> Iterator[Server]:
    """Redis, one for each test; ``options`` are those of a dump, without its type."""
    with servers.redis() as server:
        yield server


@pytest.fixture(scope="session")
def fault_runs() -> int:
    """How often to repeat what goes wrong only at certain moments: FAULT_RUNS."""
    return max(int(os.environ.get("FAULT_RUNS", "3")), 1)


@pytest.fixture
def chance() -> random.Random:
    """Random numbers whose seed is printed with a failure; FAULT_SEED repeats it."""
    seed = int(os.environ.get("FAULT_SEED", random.randrange(2**32)))
    print(f"FAULT_SEED={seed}")
    return random.Random(seed)
