# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entries of a custody log: what somebody wants to be noted, and the line that notes it.

A line is ASCII JSON whose last key is ``sha256``: the SHA-256 of the line without that key. ``previous`` is the ``sha256`` of the line
before, so that no line can be changed, removed or moved alone. Nothing but text tools is needed to verify a line by hand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain, plain_value
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

OUTCOMES = ("done", "failed", "refused", "planned")
MAX_ENTRIES = 1000
MAX_DETAILS_BYTES = 64 * 1024
#: What the first line names as the one before.
BEGINNING = "0" * 64
#: The id of an incident, or of an exercise of one, which is the name of its folder.
INCIDENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_STEP = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SEALED = re.compile(rb'(\{.*),"sha256":"([0-9a-f]{64})"\}', re.DOTALL)


@dataclass(frozen=True)
class Head:
    """The last line of a log; :ivar sequence: its number, 0 when there is none. :ivar sha256: its checksum."""

    sequence: int = 0
    sha256: str = BEGINNING

    def as_dict(self) -> dict[str, Any]:
        """Return it as modules do."""
        return {"sequence": self.sequence, "sha256": self.sha256}


@dataclass(frozen=True)
class Entry:
    """What somebody wants to be noted; :ivar step: a short word such as ``isolate``. :ivar outcome: one of :data:`OUTCOMES`."""

    host: str
    step: str
    outcome: str
    summary: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Writer:
    """Who notes it; :ivar operator: the person as far as that is known. :ivar account: under which the log is written."""

    operator: str
    account: str
    run_id: str


def read_incident(text: str, option: str = "incident") -> str:
    """Return the id of an incident, or of an exercise of one.

    :param option: by which it was given.
    :raises UpkeepError: when it cannot be the name of a folder.
    """
    if not INCIDENT_ID.fullmatch(text):
        raise UpkeepError(
            f"{option}: {plain(text, 80)!r} is no id; give 1 to 64 letters, digits, dots, underscores and dashes that begin with "
            "a letter or digit, such as INC-2026-042."
        )
    return text


def read_entries(given: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Return what is to be noted.

    :raises UpkeepError: naming what is wrong.
    """
    if not 1 <= len(given) <= MAX_ENTRIES:
        raise UpkeepError(f"entries: {len(given)} are given; give 1 to {MAX_ENTRIES}.")
    entries = []
    for index, raw in enumerate(given):
        if not _STEP.fullmatch(raw["step"]):
            raise UpkeepError(f"entries[{index}].step: {plain(raw['step'], 60)!r} is no short word of lower case letters.")
        entries.append(Entry(raw["host"], raw["step"], raw["outcome"], raw["summary"], raw.get("details") or {}))
    return entries


def read_head(given: Mapping[str, Any] | None) -> Head | None:
    """Return a head that was kept elsewhere.

    :raises UpkeepError: when it is none.
    """
    if not given:
        return None
    sequence, digest = given.get("sequence"), given.get("sha256")
    if not isinstance(sequence, int) or sequence < 0 or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise UpkeepError("expected_head: give the sequence and the sha256 that were returned as head.")
    return Head(sequence, digest)


def line_of(entry: Entry, head: Head, writer: Writer, now: datetime) -> tuple[bytes, Head]:
    """Return the line that notes an entry after ``head``, with its newline, and the new head."""
    body = json.dumps({
        "sequence": head.sequence + 1,
        "time": to_iso(now),
        "run_id": plain(writer.run_id, 60),
        "who": {"operator": plain(writer.operator, 120), "account": plain(writer.account, 120)},
        "host": plain(entry.host, 255),
        "step": entry.step,
        "outcome": entry.outcome,
        "summary": plain(entry.summary, 500),
        "details": _details(entry.details),
        "previous": head.sha256,
    }, separators=(",", ":")).encode("ascii")
    digest = hashlib.sha256(body).hexdigest()
    return b'%s,"sha256":"%s"}\n' % (body[:-1], digest.encode()), Head(head.sequence + 1, digest)


def sealed(line: bytes) -> dict[str, Any]:
    """Return what a line notes, without its newline.

    :raises ValueError: when it is not what was written.
    """
    match = _SEALED.fullmatch(line)
    if not match:
        raise ValueError("is no line of a custody log")
    if hashlib.sha256(match[1] + b"}").hexdigest() != match[2].decode():
        raise ValueError("was changed: its checksum is another one")
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("cannot be read as JSON") from None
    if not isinstance(read, dict) or not isinstance(read.get("sequence"), int) or not isinstance(read.get("previous"), str):
        raise ValueError("lacks its number")
    return read


def begins_line(tail: bytes, sequence: int) -> bool:
    """Tell whether bytes may be the beginning of the line of that number; a power cut may leave zeros where the rest should be."""
    start, written = b'{"sequence":%d,' % sequence, tail.rstrip(b"\0")
    return written.startswith(start[: len(written)])


def _details(given: Mapping[str, Any]) -> Any:
    details = plain_value(dict(given))
    size = len(json.dumps(details))
    if size > MAX_DETAILS_BYTES:
        return {"left_out": f"{size} bytes of details are more than {MAX_DETAILS_BYTES}"}
    return details
