"""What all unit tests share."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.tests.unit.plugins.needing_root import root

__all__ = ["root"]
