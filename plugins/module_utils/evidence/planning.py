# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would be collected: the items in their order, and how many files and bytes, as far as that can be told beforehand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.items import FILE_ITEMS, ITEMS
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.session import Session
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text


def plan(session: Session, call: Callable[[dict[str, Any]], Mapping[str, Any]]) -> dict[str, Any]:
    """Ask the host which files there are, write nothing anywhere, and return the answer of the action.

    :raises UpkeepError: when the host does not answer.
    """
    rows: list[dict[str, Any]] = []
    for item in ITEMS:
        if item in session.wanted.items:
            rows.append(_files(item, call(session.wanted.listing(item))) if item in FILE_ITEMS else {"item": item, "files": None, "bytes": None})
    files, size = sum(row["files"] or 0 for row in rows), sum(row["bytes"] or 0 for row in rows)
    check = check_result(
        "evidence.collected", session.host, OK,
        f"Would collect {', '.join(row['item'] for row in rows)}: {files} files with about {bytes_text(size)}, and what cannot be told "
        "beforehand.", value=files, unit="count",
    )
    return {"changed": True, "plan": rows, "path": str(session.folder), "status": OK, "checks": [check]}


def _files(item: str, listing: Mapping[str, Any]) -> dict[str, Any]:
    taken = [file for file in listing["files"] if file["content"]]
    return {
        "item": item, "files": len(taken), "bytes": sum(file["status"]["size"] for file in taken),
        "left_out": {**Counter(row["kind"] for row in listing["left_out"]), "secret": len(listing["files"]) - len(taken)},
    }
