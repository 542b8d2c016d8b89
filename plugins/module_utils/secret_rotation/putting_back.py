# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give keys the values back that they had before: of a run that was killed or failed, or because services do not run with the new ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.env_text import Unclear, value_of, with_value
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.record import (
    Entry,
    Rotation,
    read_copy,
    with_others,
    without,
    write_rotation,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.requests import digest
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.settings_file import read_settings, remove_leftovers, replace_settings


@dataclass
class PutBack:
    """What became of entries.

    :ivar back: they have their old values.
    :ivar left: somebody has changed them since, so that they stay.
    :ivar problems: why others could not be put back; they stay noted.
    """

    back: list[Entry] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def refuse_forgotten(state_directory: Path, rotation: Rotation, entries: Sequence[Entry]) -> None:
    """Refuse to put back what cannot be put back any more.

    :raises UpkeepError: then.
    """
    for entry in entries:
        if read_copy(state_directory, rotation.rotation_id, entry) is None:
            raise UpkeepError(f"{entry.path}: the old value of {entry.key} was forgotten (state=released), and cannot come back. Nothing was changed.")


def put_back(state_directory: Path, rotation: Rotation, entries: Sequence[Entry]) -> PutBack:
    """Put values back, file by file, and take what is back from the record.

    They are noted as unfinished first: killed at any moment, the next run goes on, whatever it was started for.

    :param entries: those of the rotation that are meant.
    :raises UpkeepError: when the record cannot be written.
    """
    outcome = PutBack()
    begun = {entry: dataclasses.replace(entry, done=False) for entry in entries}
    if any(entry.done for entry in entries):
        rotation = with_others(rotation, begun)
        write_rotation(state_directory, rotation)
    meant = list(begun.values())
    for path in dict.fromkeys(entry.path for entry in meant):
        try:
            back, left = _one_file(state_directory, rotation, [entry for entry in meant if entry.path == path])
        except Unclear as exc:
            outcome.problems.append(f"{path}: {exc.message}")
            continue
        except UpkeepError as exc:
            outcome.problems.append(exc.message)
            continue
        outcome.back += back
        outcome.left += left
        remove_leftovers(path)
    write_rotation(state_directory, without(rotation, [*outcome.back, *outcome.left]))
    return outcome


def _one_file(state_directory: Path, rotation: Rotation, entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    settings = read_settings(entries[0].path)
    content = settings.content
    back: list[Entry] = []
    left: list[Entry] = []
    for entry in entries:
        before = read_copy(state_directory, rotation.rotation_id, entry)
        if before is None:
            raise UpkeepError(f"{entry.path}: the copy from before {entry.key} was rotated is gone")
        old, present = value_of(before, entry.key), value_of(content, entry.key)
        if digest(present) == entry.written:
            content = with_value(content, entry.key, old)
        (back if digest(present) == entry.written or present == old else left).append(entry)
    if content != settings.content:
        replace_settings(entries[0].path, settings, content)
    return back, left
