"""What the tests of scanning share."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.log_scanning.scanning import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
