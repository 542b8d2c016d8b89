# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Note entries in the custody log of an incident, or verify it."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, UNKNOWN, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.chain import Chain, chain_check
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import (
    Head, Writer, read_entries, read_head, read_incident,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.log_file import append, log_path, read_log
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range


def keep_custody(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Do what the module ``custody_log`` was asked for, and return its answer.

    :raises UpkeepError: when an option is wrong, or entries could not be noted.
    """
    refuse_out_of_range(params, {"wait_seconds": (0, 3600)})
    incident, expected = read_incident(params["incident"]), read_head(params["expected_head"])
    path = log_path(params["directory"], incident)
    recording = params["state"] == "recorded"
    entries = read_entries(params["entries"]) if recording else []
    answer: dict[str, Any] = {"changed": recording, "path": str(path), "recorded": []}
    if recording and not check_mode:
        chain, head = append(
            path, entries, writer_of(params["operator"], params["run_id"]), now, expected=expected, wait_seconds=params["wait_seconds"]
        )
        answer["recorded"] = [head.sequence - len(entries) + number for number in range(1, len(entries) + 1)]
        # What was cut off has been set aside, and is told by an entry.
        chain.head, chain.tail = head, b""
        checks = [chain_check(chain, str(path))]
    else:
        head, checks = _looked_at(path, expected, params["wait_seconds"], planned=recording)
    return {**answer, "head": head.as_dict(), "status": worst_of(checks), "checks": checks}


def writer_of(operator: str | None, run_id: str | None) -> Writer:
    """Return who notes something: the operator as named or as sudo knows them, and the account of this process."""
    try:
        account = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        account = str(os.geteuid())
    return Writer(operator or os.environ.get("SUDO_USER") or "", f"{account}@{socket.gethostname()}", run_id or "")


def _looked_at(path: Path, expected: Head | None, wait_seconds: float, *, planned: bool) -> tuple[Head, list[dict[str, Any]]]:
    """Return the head of the log as it is, and the check about it."""
    subject = str(path)
    try:
        chain = read_log(path, expected=expected, wait_seconds=wait_seconds)
    except UpkeepError as exc:
        return Head(), [check_result("custody.chain", subject, UNKNOWN, f"Nobody can tell: {exc.message}.")]
    if chain is not None:
        return chain.head, [chain_check(chain, subject)]
    if expected not in (None, Head()):
        return Head(), [check_result(
            "custody.chain", subject, CRITICAL, "There is no custody log, although one was noted elsewhere: it was removed.",
            hint="Find out who could write there.",
        )]
    if planned:
        return Head(), [chain_check(Chain(), subject)]
    return Head(), [check_result(
        "custody.chain", subject, UNKNOWN, "There is no custody log.", hint="Look at the id of the incident and at the folder.",
    )]
