"""A host that is a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_review.prepared_host import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root = tmp_path / "host"
    root.mkdir(mode=0o755)
    return Place(root)
