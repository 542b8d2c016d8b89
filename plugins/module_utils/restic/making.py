# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of ``restic backup``: what it said, and whether its snapshot is whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client, record
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: restic could not read some files, and saved a snapshot without them.
INCOMPLETE = 3
_MAX_NAMED = 1000
_GONE = "no such file or directory"
VANISHED = "it vanished while the backup was made"


@dataclass
class Made:
    """What restic said while it made a snapshot.

    :ivar summary: its last record; empty when it did not come to its end.
    :ivar vanished: files that were removed while it worked, which make no snapshot incomplete; bounded.
    :ivar unread: files that it could not read, with the reason; bounded.
    :ivar incomplete: it saved a snapshot, and something is missing in it.
    """

    summary: Mapping[str, Any] = field(default_factory=dict)
    vanished: list[str] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)
    incomplete: bool = False

    @property
    def snapshot_id(self) -> str:
        """The id, in short or whole; empty when there is no snapshot."""
        return str(self.summary.get("snapshot_id") or "")

    def number(self, key: str) -> int:
        """Return a figure of the summary, 0 when it is missing."""
        value = self.summary.get(key)
        return int(value) if isinstance(value, (int, float)) else 0


def make_snapshot(client: Client, given: Sequence[str], *, directory: str, roots: Sequence[str]) -> Made:
    """Run restic and say what came of it; whoever calls forgets an incomplete snapshot.

    :param directory: where it runs.
    :param roots: what must not vanish.
    :raises ResticFailure: when there is no snapshot.
    """
    made = Made()

    def take(line: bytes) -> None:
        said = record(line)
        if said.get("message_type") == "summary":
            made.summary = said
        elif said.get("message_type") == "error":
            complain(line)

    def complain(line: bytes) -> None:
        said = record(line)
        if said.get("message_type") != "error":
            return
        item, reason = str(said.get("item") or ""), _reason(said.get("error"))
        if _vanished(item, reason, roots):
            if len(made.vanished) < _MAX_NAMED:
                made.vanished.append(plain(item, 300))
        elif len(made.unread) < _MAX_NAMED:
            made.unread.append((plain(item, 300), reason))

    ran = client.call(given, on_line=take, on_error=complain, accept=(0, INCOMPLETE), directory=directory)
    if ran.returncode == INCOMPLETE:
        made.incomplete = bool(made.unread) or not made.vanished
    elif not made.snapshot_id and "--dry-run" not in given:
        raise UpkeepError(f"{client.subject}: restic ended well but named no snapshot; is its version supported?")
    return made


def _reason(error: Any) -> str:
    """Return why, in words: versions write a number of errno or a message."""
    if not isinstance(error, Mapping):
        return plain(str(error or ""), 200)
    number = error.get("Err")
    if isinstance(number, int) and not isinstance(number, bool):
        return os.strerror(number).lower()
    return plain(str(error.get("message") or number or ""), 200)


def _vanished(item: str, reason: str, roots: Sequence[str]) -> bool:
    gone = reason.lower().endswith(_GONE) or reason == os.strerror(errno.ENOENT).lower()
    return gone and item not in roots and item.startswith("/") and not os.path.lexists(item)


def unread_words(made: Made) -> str:
    """Return which files could not be read, the first of them by name."""
    shown = "; ".join(f"{path}: {reason}" for path, reason in made.unread[:3])
    more = f"; and {len(made.unread) - 3} more" if len(made.unread) > 3 else ""
    return f"{shown}{more}" if shown else "restic did not say which"
