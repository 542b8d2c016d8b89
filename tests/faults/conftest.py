"""What the fault tests share. Each of them runs the real playbooks in a folder of its own."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, listening
from ansible_collections.upkeep.runbook.tests.unit.plugins.needing_root import root

__all__ = ["root"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A platform with one host and one service that is up."""
    with listening() as port:
        with closing(House(tmp_path, port)) as made:
            yield made


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
