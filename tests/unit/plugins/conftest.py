"""What all unit tests share."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.needing_root import root

__all__ = ["root"]


def pytest_configure(config: pytest.Config) -> None:
    """Let ansible-test run the tests as pytest does, and not each in a process of its own: to fork takes longer than most of them."""
    forking = config.pluginmanager.get_plugin("ansible_forked")
    if forking is not None:
        config.pluginmanager.unregister(forking)
