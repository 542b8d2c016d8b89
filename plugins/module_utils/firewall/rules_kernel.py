# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables of the kernel: what they are, as text that brings them back and as a digest that tells whether somebody changed them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.firewall import nftables
from ansible_collections.upkeep.runbook.plugins.module_utils.firewall.rules_text import Table, transaction

#: What traffic changes, and the kernel's own numbers.
_FLEETING = {"handle", "expires", "packets", "bytes", "used"}


def present_tables() -> set[Table]:
    """Return every table of the kernel.

    :raises Unseen: when nft does not show them.
    """
    rows = (one["table"] for one in nftables.list_tables() if "table" in one)
    return {Table(str(row["family"]), str(row["name"])) for row in rows}


def digest_of(tables: Iterable[Table]) -> str:
    """Return a digest of what tables hold, without what traffic changes; one that is missing is part of it.

    :raises Unseen: when nft does not show them.
    """
    listed = [[str(table), steady(nftables.list_table(table.name, table.family))] for table in sorted(tables, key=str)]
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def way_back(tables: Iterable[Table]) -> str:
    """Return the transaction that brings tables back as they are now, sets that traffic fills included.

    :raises Unseen: when nft does not show them.
    """
    listed = list(tables)
    present = present_tables()
    return transaction(listed, "".join(nftables.table_text(one.family, one.name) for one in listed if one in present))


def steady(objects: list[dict[str, Any]] | None) -> Any:
    """Return the objects of a table without what changes by itself."""
    return None if objects is None else [_steady(one) for one in objects if "metainfo" not in one]


def _steady(value: Any) -> Any:
    if isinstance(value, list):
        return [_steady(one) for one in value]
    if not isinstance(value, dict):
        return value
    flags = value.get("flags", [])
    filled = {"elem"} if {"dynamic", "timeout"} & set([flags] if isinstance(flags, str) else flags) else set()
    return {key: _steady(one) for key, one in value.items() if key not in _FLEETING | filled}
