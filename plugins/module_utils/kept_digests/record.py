# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the report host knows of the baselines of a host: their digests, acceptances under way, and those that were.

An acceptance is noted before a baseline is exchanged, and its digest when it was. Killed in between, nobody knows which baseline is
there: neither the old digest nor a new one may be held against it. The other order, or one note only, would call an honest
baseline tampered with, or trust a forged one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import is_run_id, to_iso

#: The parts of the security audit that have a baseline.
PARTS = ("ports", "files", "access")
SCHEMA = 1
MAX_HISTORY = 200
MAX_REASON = 300
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ABOUT = ("run_id", "time", "reason")

Record = dict[str, Any]


def empty() -> Record:
    """Return the record of a host of which nothing is known."""
    return {"digests": {}, "pending": {}, "history": []}


def read_content(content: Any) -> Record:
    """Return the record that a file holds.

    :raises ValueError: when it holds something else.
    """
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ValueError("no record of this version")
    record = empty()
    for part, row in _rows(content, "digests"):
        record["digests"][part] = {"sha256": _digest(row["sha256"]), **_about(row)}
    for part, row in _rows(content, "pending"):
        record["pending"][part] = _about(row)
    for row in content["history"][-MAX_HISTORY:]:
        digests = {str(part): _digest(sha256) for part, sha256 in row["digests"].items()}
        record["history"].append({**_about(row), "digests": digests})
    return record


def _rows(content: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return [(part, row) for part, row in content[key].items() if part in PARTS]


def _about(row: Mapping[str, Any]) -> dict[str, str]:
    return {key: plain(str(row[key]), MAX_REASON) for key in _ABOUT}


def _digest(text: Any) -> str:
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise ValueError("no digest")
    return text


def expected(record: Record) -> dict[str, str]:
    """Return the digests that baselines must have: those of which no acceptance was under way."""
    return {part: row["sha256"] for part, row in record["digests"].items() if part not in record["pending"]}


def begun(record: Record, parts: Iterable[str], *, run_id: str, reason: str, now: datetime) -> Record:
    """Return the record with a note that the baselines of some parts are about to be exchanged.

    A note of an earlier run, whose end nobody saw, stays as it is.

    :raises UpkeepError: when a part is none, or the run has no id or no reason.
    """
    about = _checked(parts, run_id, reason, now)
    pending = {**{part: about for part in parts}, **record["pending"]}
    return {**record, "pending": pending}


def accepted(
    record: Record, digests: Mapping[str, str], unanswered: Iterable[str], *, run_id: str, reason: str, now: datetime
) -> Record:
    """Return the record after an acceptance.

    :param digests: of the baselines that are there now, by their part.
    :param unanswered: parts of which nobody knows what became; of any other one the note of this run goes.
    :raises UpkeepError: when a digest is none, a part is none, or the run has no id or no reason.
    """
    about = _checked([*digests, *unanswered], run_id, reason, now)
    for part, digest in digests.items():
        if not _DIGEST.fullmatch(digest):
            raise UpkeepError(f"digests.{part}: {plain(digest, 80)!r} is no digest; give 64 hexadecimal digits in lower case")
    unknown = set(unanswered)
    pending = {
        part: note
        for part, note in record["pending"].items()
        if part not in digests and (part in unknown or note["run_id"] != run_id)
    }
    new = {part: digest for part, digest in digests.items() if record["digests"].get(part, {}).get("sha256") != digest}
    kept = {**record["digests"], **{part: {"sha256": digest, **about} for part, digest in new.items()}}
    history = [*record["history"], {**about, "digests": new}] if new else record["history"]
    return {**record, "digests": kept, "pending": pending, "history": history[-MAX_HISTORY:]}


def _checked(parts: Iterable[str], run_id: str, reason: str, now: datetime) -> dict[str, str]:
    for part in parts:
        if part not in PARTS:
            raise UpkeepError(f"{plain(part, 60)!r} is no part with a baseline; accepted: {', '.join(PARTS)}")
    if not is_run_id(run_id):
        raise UpkeepError(f"run_id: {plain(run_id, 60)!r} has another form than YYYYMMDDTHHMMSSZ-xxxxxxxx")
    if not plain(reason).strip():
        raise UpkeepError("reason is missing; say why what is there is accepted")
    return {"run_id": run_id, "time": to_iso(now), "reason": plain(reason, MAX_REASON)}
