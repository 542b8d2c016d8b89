# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The logs of a group read and counted, on several processors when there is much of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.blocks import Part, Reading, parts_of
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.counting import Counting, Selection
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.files import LogFile, find_files
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.limit_lines import count_limits
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.options import Group
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.rows import Unparsed
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.sharing import share
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import Tally

#: A part of a plain file: some of them for each process, but none so small that to begin it costs more than to count it.
_PART_BYTES = (1024 * 1024, 4 * 1024 * 1024)
_PARTS = 16
_MAX_PARTS = 900
#: To fork costs as much as to count some thousand lines.
_WORTH_SHARING_BYTES = 4 * 1024 * 1024
TOO_LONG = "(a line of more than 64 KiB)"


@dataclass
class Counted:
    """What one process, or all together, found in the logs of a group.

    :ivar problems: why not all of a file could be read, by its path.
    :ivar fields: what the lines told.
    :ivar files: how many files were read, ``older`` how many were not because they ended before the window.
    """

    tally: Tally
    problems: dict[str, str] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    files: int = 0
    older: int = 0


def count_group(group: Group, *, since: int, until: int, processes: int, share_above: int = _WORTH_SHARING_BYTES) -> Counted:
    """Read all logs of a group, and return what they hold.

    :param since: the first second since the epoch that counts, ``until`` the first that does not.
    :param share_above: bytes from which on the work is shared.
    """
    access, errors = find_files(group.paths, since=since), find_files(group.error_paths, since=since)
    weight = sum(file.size for file in (*access.files, *errors.files))
    workers = processes if weight >= share_above else 1
    jobs = [(False, part) for part in _parts(access.files, workers)] + [(True, part) for part in _parts(errors.files, workers)]

    def work(numbers: Iterator[int]) -> Counted:
        return _Worker(group, since, until).run(jobs[number] for number in numbers)

    first, *others = share(len(jobs), work, processes=workers)
    for other in others:
        first.tally.merge(other.tally)
        first.problems.update(other.problems)
        first.fields |= other.fields
    first.tally.settle()
    first.problems = {**access.problems, **errors.problems, **first.problems}
    first.files, first.older = len(access.files), access.older
    return first


def _parts(files: list[LogFile], processes: int) -> list[Part]:
    weight = sum(file.size for file in files)
    least, most = _PART_BYTES
    part_bytes = max(least, min(most, weight // _PARTS), weight // _MAX_PARTS)
    return parts_of(files, processes=processes, part_bytes=part_bytes)


class _Worker:
    def __init__(self, group: Group, since: int, until: int) -> None:
        selection = Selection(since, until, group.trusted_proxies, group.excluded_routes, group.excluded_agents, group.logins)
        self._reader = group.reader()
        self._counting = Counting(selection, group.duration_variable)
        self._since, self._until = since, until
        self._answer = Counted(self._counting.tally)

    def run(self, jobs: Iterator[tuple[bool, Part]]) -> Counted:
        """Read the parts of access logs and (True) of error logs."""
        for is_error_log, part in jobs:
            reading = Reading(part)
            self._counting.begin_part()
            for block in reading.blocks():
                text = block.decode("latin-1")
                if is_error_log:
                    count_limits(text, self._answer.tally, self._since, self._until)
                else:
                    self._count(text)
            if reading.problem:
                self._answer.problems[part.file.path] = reading.problem
            if reading.too_long and not is_error_log and part.stripe == 0:
                self._answer.tally.note_unparsed(Unparsed(reading.too_long, TOO_LONG))
        self._answer.tally.settle()
        return self._answer

    def _count(self, text: str) -> None:
        parts, unparsed = self._reader.read(text)
        self._answer.tally.note_unparsed(unparsed)
        for number, rows in enumerate(parts):
            self._answer.fields.update(rows.columns)
            self._counting.add(rows, follows=number == 0)
