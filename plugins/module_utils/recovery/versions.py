# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the programs of this host fit those with which a backup was made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_NUMBER = re.compile(r"(\d+)(?:\.\d+)*")
_MAX_CHARACTERS = 60


def major(version: Any) -> int | None:
    """Return the first number of a version such as ``v20.11.1`` or ``pg_restore (PostgreSQL) 15.6``; None without one."""
    found = _NUMBER.search(str(version or ""))
    return int(found.group(1)) if found and len(found.group(1)) < 6 else None


def node_problem(then: Any, now: str | None) -> str:
    """Return why this host's Node.js does not fit that of the backup, or an empty text.

    :param then: the version that the manifest names; nothing is compared without one.
    :param now: the version of this host, None when Node.js is not there.
    """
    wanted = major(then)
    if wanted is None:
        return ""
    if now is None:
        return f"Node.js is not installed here; the backup was made with {plain(str(then), _MAX_CHARACTERS)}"
    if major(now) != wanted:
        return f"Node.js is {plain(now, _MAX_CHARACTERS)} here and was {plain(str(then), _MAX_CHARACTERS)} when the backup was made"
    return ""


def postgresql_problem(dumps: Sequence[Mapping[str, Any]], now: str | None) -> str:
    """Return why this host's pg_restore cannot read the dumps, or an empty text: an older one reads no newer dump.

    :param dumps: those of the manifest, with ``type`` and ``tool``.
    """
    tools = [str(dump.get("tool") or "") for dump in dumps if dump.get("type") == "postgresql"]
    newest = max(((major(tool) or 0), tool) for tool in tools) if tools else None
    if newest is None:
        return ""
    if now is None:
        return "pg_restore is not installed here, and the backup has dumps of PostgreSQL"
    if newest[0] > (major(now) or 0):
        said = plain(newest[1], _MAX_CHARACTERS)
        return f"pg_restore is {plain(now, _MAX_CHARACTERS)} here and reads no dump of {said}: install that version or a newer one"
    return ""
