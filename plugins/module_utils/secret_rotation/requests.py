# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which keys of which files are to get new values: the options read, the files looked at, and everything refused before a byte is written."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.env_text import Unclear, find_value, is_key, value_of, with_value
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.record import Entry, Rotation, read_copy
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.settings_file import Settings, read_settings
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.values import new_value, refuse_weak
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: A place of a secret: a file and a key of it.
Place = tuple[str, str]

NEW, OLD, OTHER = "new", "old", "other"

_MAX_PROBLEMS = 10


@dataclass(frozen=True)
class Change:
    """A file and what it will hold.

    :ivar after: the text with the new values; shown to nobody.
    :ivar written: SHA-256 of the new values by their keys.
    """

    path: str
    before: Settings = field(repr=False)
    after: bytes = field(repr=False)
    written: dict[str, str]


def digest(value: bytes) -> str:
    """Return what is noted of a value."""
    return hashlib.sha256(value).hexdigest()


def places_of(secret: Mapping[str, Any]) -> list[Place]:
    """Return where a secret stands."""
    return [(place["path"], place["key"]) for place in secret["places"]]


def refuse_wrong(secrets: Sequence[Mapping[str, Any]]) -> None:
    """Refuse options that contradict themselves.

    :raises UpkeepError: then.
    """
    if not secrets:
        raise UpkeepError("secrets: name at least one.")
    seen: set[Place] = set()
    for number, secret in enumerate(secrets):
        where = f"secrets[{number}]"
        refuse_weak(secret, where)
        if not secret["places"]:
            raise UpkeepError(f"{where}.places: name at least one file and key.")
        for path, key in places_of(secret):
            if not is_key(key):
                raise UpkeepError(f"{where}: {plain(key, 60)!r} is no name of a key.")
            if (path, key) in seen:
                raise UpkeepError(f"{where}: {key} of {path} is named twice.")
            seen.add((path, key))


def reverted(state_directory: Path, rotation: Rotation, secrets: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Return what of some secrets has its old value again, such as after a file was restored from a backup: it is to be rotated anew."""
    meant = {place for secret in secrets for place in places_of(secret)}
    return [
        entry for entry in rotation.entries
        if entry.done and (entry.path, entry.key) in meant and value_now(state_directory, rotation, entry) == OLD
    ]


def value_now(state_directory: Path, rotation: Rotation, entry: Entry) -> str:
    """Tell which value a key has now: that of the rotation, the old one, or another.

    :raises Unclear, UpkeepError: when nobody can tell.
    """
    present = value_of(read_settings(entry.path).content, entry.key)
    if digest(present) == entry.written:
        return NEW
    before = read_copy(state_directory, rotation.rotation_id, entry)
    return OLD if before is not None and value_of(before, entry.key) == present else OTHER


def planned_changes(secrets: Sequence[Mapping[str, Any]], rotation: Rotation) -> list[Change]:
    """Return what is to be written so that every place has a new value which it does not have yet under this id.

    All places of a secret get the same value, also the one that was forgotten the first time. What a killed run left unfinished counts as
    not rotated, since it is put back first.

    :raises UpkeepError: when any of the files or keys is refused; all that stands against it is named.
    """
    done = {(entry.path, entry.key): entry.written for entry in rotation.entries if entry.done}
    wanted = [(secret, [place for place in places_of(secret) if place not in done]) for secret in secrets]
    files: dict[str, Settings] = {}
    problems: list[str] = []
    for path, key in [place for secret, missing in wanted if missing for place in places_of(secret)]:
        try:
            files[path] = files.get(path) or read_settings(path)
            find_value(files[path].content, key)
        except Unclear as exc:
            problems.append(f"{path}: {exc.message}")
        except UpkeepError as exc:
            problems.append(exc.message)
    if problems:
        found = list(dict.fromkeys(problems))
        more = f"; and {len(found) - _MAX_PROBLEMS} more" if len(found) > _MAX_PROBLEMS else ""
        raise UpkeepError(f"{'; '.join(found[:_MAX_PROBLEMS])}{more}. Nothing was changed.")
    changes: dict[str, Change] = {}
    for secret, missing in wanted:
        value = _value_for(secret, missing, files, done) if missing else b""
        for path, key in missing:
            change = changes.get(path) or Change(path, files[path], files[path].content, {})
            after = with_value(change.after, key, value)
            changes[path] = dataclasses.replace(change, after=after, written={**change.written, key: digest(value)})
    return list(changes.values())


def _value_for(
    secret: Mapping[str, Any], missing: Sequence[Place], files: Mapping[str, Settings], done: Mapping[Place, str]
) -> bytes:
    """Return a new value, or the one that other places of the secret have got under this id."""
    for path, key in places_of(secret):
        if (path, key) in missing:
            continue
        value = value_of(files[path].content, key)
        if digest(value) != done[path, key]:
            raise UpkeepError(
                f"{path}: somebody has changed {key} since it was rotated, so that {missing[0][1]} of {missing[0][0]} cannot get the same value;"
                " take another rotation_id. Nothing was changed."
            )
        return value
    return new_value(secret)
