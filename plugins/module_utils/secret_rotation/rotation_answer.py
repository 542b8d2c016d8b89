# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module returns about rotated secrets: names of files and keys, and never a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, worst, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.env_text import value_of
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.putting_back import PutBack
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.record import (
    Entry,
    Rotation,
    known_ids,
    read_copy,
    read_rotation,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.requests import NEW, OLD, OTHER, Place, value_now
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.settings_file import read_settings

CHECK, KEPT = "secret.rotation", "secret.kept"
#: What is shorter stands in a file by chance.
_TELLING_BYTES = 8

Row = dict[str, Any]


@dataclass
class Done:
    """What a call did, or would do in check mode.

    :ivar rotated: places that got a new value.
    :ivar repaired: what a killed run had left unfinished, and was put back first.
    """

    state: str
    rotated: list[Place] = field(default_factory=list)
    repaired: list[Entry] = field(default_factory=list)
    put_back: PutBack = field(default_factory=PutBack)
    confirmed: list[Entry] = field(default_factory=list)
    forgotten: list[Entry] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.rotated or self.repaired or self.put_back.back or self.put_back.left or self.confirmed or self.forgotten)


def answer(state_directory: Path, ids: Sequence[str], done: Done, *, late: str = "") -> Row:
    """Return what the module returns.

    :param ids: the rotations that are told about.
    :param late: old values that were replaced before this time, in ISO 8601 UTC, and are still kept, are a warning.
    """
    everything = [read_rotation(state_directory, one) for one in known_ids(state_directory)]
    newest = {(entry.path, entry.key): entry.since for entry in sorted((e for one in everything for e in one.entries), key=lambda e: e.since)}
    # What was rotated once more under another id is judged there; here it counts only as long as its old value is kept.
    told = [
        (_row(state_directory, rotation, entry), newest[entry.path, entry.key] == entry.since)
        for rotation in everything if rotation.rotation_id in ids
        for entry in rotation.entries if entry.kept or newest[entry.path, entry.key] == entry.since
    ]
    rows = [row for row, last in told if last]
    checks = [] if everything or done.state != "query" else [check_result(CHECK, "secrets", OK, "No secret was rotated on this host.")]
    checks += _checks(rows) + _kept_too_long([row for row, _last in told], late) + _left(done)
    result = {
        "changed": done.changed,
        "rotated": _listed(done.rotated),
        "repaired": _listed((entry.path, entry.key) for entry in done.repaired),
        "put_back": _listed((entry.path, entry.key) for entry in done.put_back.back),
        "left": _listed((entry.path, entry.key) for entry in done.put_back.left),
        "forgotten": _listed((entry.path, entry.key) for entry in done.forgotten),
        "unconfirmed": _listed((row["path"], row["key"]) for row in rows if not row["confirmed"]),
        "secrets": [{key: row[key] for key in ("rotation_id", "path", "key", "since", "value", "confirmed", "kept")} for row, _last in told],
        "checks": checks,
        # Nothing is rotated yet in check mode, or nothing ever was.
        "status": worst_of(checks) if checks else OK,
    }
    difference = _diff(done)
    return {**result, "diff": difference} if difference and done.changed else result


def _listed(places: Any) -> list[Row]:
    keys: dict[str, list[str]] = {}
    for path, key in places:
        keys.setdefault(path, []).append(key)
    return [{"path": path, "keys": found} for path, found in keys.items()]


def _diff(done: Done) -> Row:
    words = [
        *((path, key, "rotated") for path, key in done.rotated),
        *((entry.path, entry.key, "put back") for entry in (*done.repaired, *done.put_back.back)),
        *((entry.path, entry.key, "the old value is forgotten") for entry in done.forgotten),
    ]
    if not words:
        return {}
    return {
        "before": "".join(f"{path}: {key}\n" for path, key, _word in words),
        "after": "".join(f"{path}: {key} ({word})\n" for path, key, word in words),
    }


def _row(state_directory: Path, rotation: Rotation, entry: Entry) -> Row:
    row: Row = {
        "rotation_id": rotation.rotation_id, "path": entry.path, "key": entry.key, "since": entry.since, "confirmed": entry.confirmed,
        "kept": bool(entry.kept), "done": entry.done, "elsewhere": False, "value": "unknown", "problem": "",
    }
    try:
        row["value"] = value_now(state_directory, rotation, entry)
        row["elsewhere"] = row["value"] == NEW and _stands_elsewhere(state_directory, rotation, entry)
    except UpkeepError as exc:
        row["problem"] = exc.message
    return row


def _stands_elsewhere(state_directory: Path, rotation: Rotation, entry: Entry) -> bool:
    """Tell whether the old value is still in the file, such as in a comment or in an address with a password."""
    before = read_copy(state_directory, rotation.rotation_id, entry)
    if before is None:
        return False
    old = value_of(before, entry.key)
    return len(old) >= _TELLING_BYTES and old in read_settings(entry.path).content


def _checks(rows: Sequence[Row]) -> list[Row]:
    """Return one check for each file."""
    checks = []
    for path in dict.fromkeys(row["path"] for row in rows):
        own = [row for row in rows if row["path"] == path]
        found = [_judged(row) for row in own]
        status = worst([one for one, _text in found])
        texts = list(dict.fromkeys(text for one, text in found if one == status))
        hint = {
            CRITICAL: "Rotate with the same rotation_id again: what is not as it should be is put right.",
            WARNING: "See that the services run with the values of the file, then state=confirmed.",
        }.get(status)
        checks.append(check_result(CHECK, path, status, f"{path}: {'; '.join(texts)}.", value=len(own), unit="count", hint=hint))
    return checks


def _judged(row: Row) -> tuple[str, str]:
    key, since = row["key"], f"{row['since']} ({row['rotation_id']})"
    if not row["done"]:
        return CRITICAL, f"a run was killed while it exchanged {key} for {row['rotation_id']}; the next one puts the old value back"
    if row["problem"]:
        return UNKNOWN, f"nobody can tell whether {key} has the value of {since}: {row['problem']}"
    if row["value"] == OLD:
        return CRITICAL, f"{key} has the value again that it had before {since}"
    if row["value"] == OTHER:
        return WARNING, f"somebody has changed {key} since {since}"
    if row["elsewhere"]:
        return WARNING, f"{key} was rotated at {since}, but its old value still stands elsewhere in the file"
    if not row["confirmed"]:
        return WARNING, f"{key} was rotated at {since}; nobody has confirmed that the services run with it"
    return OK, f"{key} was rotated at {since}" + (", its old value is kept for root" if row["kept"] else "")


def _kept_too_long(rows: Sequence[Row], late: str) -> list[Row]:
    """Return a warning for each rotation whose old values should be gone by now. Those that nobody has confirmed may still be needed."""
    kept: dict[str, list[Row]] = {}
    for row in rows:
        if row["kept"] and row["confirmed"] and row["since"] < late:
            kept.setdefault(row["rotation_id"], []).append(row)
    checks = []
    for rotation_id, found in kept.items():
        keys, since = ", ".join(dict.fromkeys(row["key"] for row in found)), min(row["since"] for row in found)
        checks.append(check_result(
            KEPT, rotation_id, WARNING, f"The old values of {keys} from before {since} are still kept for root.", value=len(found), unit="count",
            hint="When nobody needs them any more: security_incident with --tags release, or state=released.",
        ))
    return checks


def _left(done: Done) -> list[Row]:
    """Return a warning for each file in which somebody had changed what was to be put back."""
    return [
        check_result(CHECK, one["path"], WARNING, f"{one['path']}: somebody has changed {', '.join(one['keys'])} since, so that this stays.")
        for one in _listed((entry.path, entry.key) for entry in done.put_back.left)
    ]
