# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``evidence_collect``, which is an action without a module of its own."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.items import ITEMS, LOGS, METADATA_PATHS, PERSISTENCE


def argument_spec() -> dict[str, Any]:
    """Return the options of the action."""
    texts = {"type": "list", "elements": "str"}
    return {
        "directory": {"type": "str", "required": True},
        "incident": {"type": "str", "required": True},
        "report_host": {"type": "str", "default": "localhost"},
        "items": {**texts, "default": list(ITEMS)},
        "logs": {**texts, "default": list(LOGS)},
        "persistence": {**texts, "default": list(PERSISTENCE)},
        "paths": {**texts, "default": []},
        "metadata_paths": {**texts, "default": list(METADATA_PATHS)},
        "exclude": {**texts, "default": []},
        "journal_hours": {"type": "float", "default": 72.0},
        "chunk_bytes": {"type": "int", "default": 2097152},
        "max_file_bytes": {"type": "int", "default": 268435456},
        "max_total_bytes": {"type": "int", "default": 4294967296},
        "max_files": {"type": "int", "default": 10000},
        "secrets": {"type": "bool", "default": False, "no_log": False},
        "clock_warning_seconds": {"type": "float", "default": 2.0},
        "operator": {"type": "str", "default": ""},
        "run_id": {"type": "str", "default": ""},
    }
