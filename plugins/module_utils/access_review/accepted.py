# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of the access to a host was accepted, and when and why: one small file, and what is new beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.guarded_files import read_guarded
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

FORMAT, VERSION = "upkeep access baseline", 1
#: Kinds of what is accepted.
ACCOUNTS, KEYS, SUDO = "accounts", "keys", "sudo"
KINDS = (ACCOUNTS, KEYS, SUDO)
_MAX_BYTES = 64 * 1024 * 1024


class Damaged(Exception):
    """It is no such file; the message completes "the baseline …"."""


@dataclass(frozen=True)
class Accepted:
    """What was accepted: texts by kind.

    :ivar digest: SHA-256 of the file.
    """

    items: Mapping[str, Sequence[str]]
    accepted: datetime
    reason: str
    digest: str


@dataclass
class News:
    """What is new, and what is gone, by kind."""

    new: dict[str, list[str]] = field(default_factory=dict)
    gone: dict[str, list[str]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return any(self.new.values()) or any(self.gone.values())


def read_accepted(path: Path) -> Accepted | None:
    """Return what was accepted, or None when nothing was.

    :raises Damaged: when the file is something else.
    :raises Forgeable: when others than root and this user could have written it.
    :raises UpkeepError: when it cannot be read.
    """
    data = read_guarded(path, _MAX_BYTES)
    return None if data is None else parse_accepted(data)


def parse_accepted(data: bytes) -> Accepted:
    """Return what the bytes of such a file say.

    :raises Damaged: when they are something else.
    """
    try:
        content = json.loads(data)
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise Damaged("has another format")
        items = {kind: [str(item) for item in content["items"][kind]] for kind in KINDS}
        return Accepted(items, from_iso(str(content["accepted"])), str(content["reason"]), hashlib.sha256(data).hexdigest())
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise Damaged("is cut off or was changed") from exc


def accepted_bytes(items: Mapping[str, Sequence[str]], *, now: datetime, reason: str, previous: str | None) -> bytes:
    """Return the file."""
    content: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "accepted": to_iso(now), "reason": reason, "previous_digest": previous,
        "items": {kind: sorted(set(items[kind])) for kind in KINDS},
    }  # fmt: skip
    return json.dumps(content, indent=1).encode() + b"\n"


def news_of(accepted: Mapping[str, Sequence[str]], present: Mapping[str, Sequence[str]]) -> News:
    """Return what is new and what is gone."""
    news = News()
    for kind in KINDS:
        before, now = set(accepted.get(kind, ())), set(present[kind])
        news.new[kind] = sorted(now - before)
        news.gone[kind] = sorted(before - now)
    return news
