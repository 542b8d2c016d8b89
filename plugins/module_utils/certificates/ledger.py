# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checks of many subjects: a row is only built when it is returned, since building 30 000 of them takes a second."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, folded_row, severity

Build = Callable[[], dict[str, Any]]


class Ledger:
    """Collects checks; those that are ok share one row for each kind, unless ``return_all``.

    It does for rows that are not built yet what :func:`checks.fold_ok` does for rows.
    """

    def __init__(self, return_all: bool) -> None:
        self._return_all = return_all
        self._rows: list[dict[str, Any]] = []
        self._ok: dict[str, int] = {}
        self._first_ok: dict[str, Build] = {}

    def note(self, check: str, status: str, build: Build) -> None:
        """Take in a check; ``build`` makes its row."""
        if status != OK or self._return_all:
            self._rows.append(build())
        elif check in self._ok:
            self._ok[check] += 1
        else:
            self._ok[check], self._first_ok[check] = 1, build

    def checks(self) -> list[dict[str, Any]]:
        """Return the rows: in order with ``return_all``, otherwise what is not ok first, the worst before the rest."""
        if self._return_all:
            return self._rows
        folded = [
            self._first_ok[check]() if count == 1 else folded_row(check, count) for check, count in self._ok.items()
        ]
        return sorted(self._rows, key=lambda row: -severity(row["status"])) + folded
