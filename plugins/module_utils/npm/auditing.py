# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the audit of projects, from options to results."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.client import Client, audit, private_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.ignores import Ignore, divide, ignore_checks, read_ignores
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.judging import Audited, project_check, project_row
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import Unaudited, read_project
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.reports import count_severities, rank
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: Accepted range of each option that is a number.
RANGES = {"timeout_seconds": (1, 900), "retries": (0, 10), "concurrency": (1, 16)}


def inspect_projects(options: Mapping[str, Any], *, now: datetime, scratch: str | None = None) -> dict[str, Any]:
    """Audit the projects and return what the module returns.

    :param options: the options of the module ``npm_audit``.
    :param now: the moment that decides which ignores are valid.
    :param scratch: folder in which npm may have a private one; the system's when None.
    :raises UpkeepError: naming the option that is not accepted.
    """
    deadline = time.monotonic() + options["timeout_seconds"]
    _check_options(options)
    ignores = read_ignores(options["ignore"])
    paths = list(dict.fromkeys(os.path.normpath(path) for path in options["projects"]))
    results = _audit_all(paths, options, ignores, now, deadline, scratch)
    audits = [project_check(result, options["level"], options["critical_level"]) for result in results]
    checks = audits + ignore_checks(ignores, {result.path: result.found for result in results}, now)
    rows = [project_row(result, check["status"]) for result, check in zip(results, audits)]
    return {
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=options["return_all"]),
        "projects": [row for row in rows if options["return_all"] or row["status"] != OK],
        "totals": _totals(results),
    }


def _audit_all(
    paths: Sequence[str],
    options: Mapping[str, Any],
    ignores: Sequence[Ignore],
    now: datetime,
    deadline: float,
    scratch: str | None,
) -> list[Audited]:
    with private_folder(scratch) as folder:
        client = Client(
            executable=options["executable"],
            registry=options["registry"],
            config_file=options["config_file"],
            omit=tuple(options["omit"]),
            retries=options["retries"],
            scratch=folder,
        )
        with ThreadPoolExecutor(max_workers=options["concurrency"]) as pool:
            return list(pool.map(lambda path: audit_project(path, client, ignores, now, deadline), paths))


def audit_project(path: str, client: Client, ignores: Sequence[Ignore], now: datetime, deadline: float) -> Audited:
    """Audit one project; that it could not be done is a result like any other."""
    project = None
    try:
        project = read_project(path, client.omit)
        vulnerabilities, attempts = audit(client, project, deadline)
    except Unaudited as exc:
        return Audited(path, problem=exc, project=project)
    counting, ignored = divide(path, vulnerabilities, ignores, now)
    return Audited(path, project=project, attempts=attempts, counting=counting, ignored=ignored)


def _totals(results: Sequence[Audited]) -> dict[str, Any]:
    audited = [result for result in results if result.problem is None]
    return {
        "projects": len(results),
        "audited": len(audited),
        "dependencies": sum(result.project.dependencies for result in audited if result.project),
        "vulnerabilities": count_severities(row for result in audited for row in result.counting),
        "ignored": sum(len(result.ignored) for result in audited),
    }


def _check_options(options: Mapping[str, Any]) -> None:
    refuse_out_of_range(options, RANGES)
    if not options["projects"]:
        raise UpkeepError("projects is empty; name the folder of at least one project.")
    for index, path in enumerate(options["projects"]):
        if not os.path.isabs(path):
            raise UpkeepError(f"projects[{index}]: {plain(path, 100)!r} is not accepted; give an absolute path.")
    level, critical_level = options["level"], options["critical_level"]
    if critical_level != "none" and rank(critical_level) < rank(level):
        raise UpkeepError(
            f"critical_level: {critical_level} is milder than level ({level});"
            f" give {level} or a worse one, or none so that nothing is critical."
        )
    if options["registry"]:
        _check_registry(options["registry"])


def _check_registry(url: str) -> None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known:
        raise UpkeepError(f"registry: {plain(url.rpartition('@')[2], 100)!r} is not accepted; give an http:// or https:// URL.")
    if "@" in parts.netloc:
        raise UpkeepError(
            "registry: a URL with a user or password is not accepted, since command lines can be seen;"
            " put the token into an npmrc on the host and name that in config_file."
        )
