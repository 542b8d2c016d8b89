"""Writes the report of a run again as that of later runs, by the module alone: a playbook takes a hundred times as long to come to it."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module


def later_report(house: House, first: Outcome, number: int) -> dict[str, Any]:
    """Return the options of the module run_report that write what a run has found as the find of another one, now.

    :param first: the run, whose report is there.
    :param number: another one for each run.
    """
    now, folder = utc_now(), house.reports / "runs" / first.record["run_id"]
    return {
        "directory": str(house.reports), "keep_runs": 1000,
        "record": {**first.record, "run_id": f"{now:%Y%m%dT%H%M%SZ}-{number:08x}", "started": to_iso(now), "ended": to_iso(now)},
        "html": (folder / "report.html").read_text("utf-8"), "markdown": (folder / "report.md").read_text("utf-8"),
    }


def report_again(house: House, first: Outcome, number: int) -> tuple[str, dict[str, Any]]:
    """Write it; return the id of the run and the answer of the module."""
    options = later_report(house, first, number)
    return options["record"]["run_id"], run_module("run_report", options)
