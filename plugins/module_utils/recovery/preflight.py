# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything that can refuse a recovery, asked before anything is touched, and the plan for people to read."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.extra_variables import extra_variable
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text, figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.backup_reading import (
    read_header,
    read_members,
    verify_archive,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.choosing import Chosen, Wanted, choose
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.services import Service, look_at_services
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.targets import resolve_targets
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.versions import node_problem, postgresql_problem
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, to_iso

CHECK, BACKUP_CHECK = "recovery.preflight", "recovery.backup"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
#: Folders of units: systemd must read them again when a recovery replaces what is in them.
_UNIT_FOLDERS = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system", "/usr/local/lib/systemd/system")
_NGINX_FOLDER = "/etc/nginx"
_GLOBALS = "postgresql_globals"
_TIMEOUT_SECONDS = 20.0


@dataclass
class Preflight:
    """What was found.

    :ivar problems: sentences; with one of them the recovery does not begin.
    :ivar notes: sentences about what somebody should know before it begins.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chosen: Chosen = field(default_factory=Chosen)
    services: list[Service] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    dumps: list[str] = field(default_factory=list)
    checks: list[list[str]] = field(default_factory=list)


def look_before(options: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Ask everything and return what the module returns.

    A backup is read only when nothing else refuses, since that takes the time; check mode shows the whole plan in any case.

    :param options: the options of the module ``recovery_preflight``.
    :raises UpkeepError: naming the option that is not accepted.
    """
    refuse_out_of_range(options, {"max_ratio": (1, 1_000_000)})
    found = Preflight()
    before = read_before(options["before"])
    if options["confirm"] != options["platform"]:
        found.problems.append(confirmation_problem(options["confirm"], options["platform"]))
    found.services, problems = look_at_services(options["services"], options["kept_running"])
    found.problems += problems
    found.problems += [
        f"service {name} is known by its process only: describe how it is started (unit or pm2)" for name in options["unmanaged"]
    ]
    found.problems += host_problems(options)
    found.checks = configuration_checks(options)
    if options["directory"] and (check_mode or not found.problems):
        _look_at_backup(options, before, found, now)
    return _result(options, found, now)


def confirmation_problem(given: str, platform: str) -> str:
    """Say what to add to the command line."""
    how = f"add {extra_variable('upkeep_confirm', platform)}"
    return f"upkeep_confirm is {plain(given, 100)!r} and not the name of the platform: {how}" if given else (
        f"nobody has confirmed that {plain(platform, 100)} is to be replaced: {how}"
    )


def read_before(text: str) -> datetime | None:
    """Return the time before which a backup must have ended.

    :raises UpkeepError: when the text is no time.
    """
    if not text:
        return None
    whole = f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text
    try:
        return from_iso(whole)
    except ValueError:
        raise UpkeepError(f"before: {plain(text, 60)!r} is no time; write it in UTC, as 2026-11-22T01:43:00Z") from None


def host_problems(options: Mapping[str, Any]) -> list[str]:
    """Return what this host lacks to bring the platform back."""
    problems = []
    for user in dict.fromkeys(options["users"]):
        try:
            pwd.getpwnam(user)
        except KeyError:
            problems.append(f"this host has no user {plain(user, 100)}, whom the platform belongs to: make it first (useradd)")
    for name in options["python_modules"]:
        if importlib.util.find_spec(name) is None:
            problems.append(f"Python has no {name} here, so that nobody could tell whether services run: run upkeep.runbook.prepare")
    page = options["maintenance_file"]
    if page and os.path.lexists(page) and not (os.path.isfile(page) and not os.path.islink(page)):
        problems.append(f"{page}, the file of the maintenance page, is no file")
    for target in options["targets"]:
        if page and (page + "/").startswith(target.rstrip("/") + "/"):
            problems.append(f"{page}, the file of the maintenance page, is in {target}, which is exchanged: choose a place beside it")
    return problems


def has_page(maintenance_file: str) -> bool:
    """Tell whether the file of the maintenance page can be made: on a bare host nobody serves it."""
    return bool(maintenance_file) and os.path.isdir(os.path.dirname(maintenance_file))


def configuration_checks(options: Mapping[str, Any]) -> list[list[str]]:
    """Return the commands that say whether the restored configuration is right; nginx is asked without being described."""
    checks = [list(command) for command in options["configuration_checks"]]
    nginx = any(touches(target, _NGINX_FOLDER) for target in options["targets"])
    if nginx and not any(os.path.basename(command[0]) == "nginx" for command in checks):
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        checks += [[program, "-t", "-q"]] if program else []
    return checks


def touches(target: str, folder: str) -> bool:
    """Tell whether a target is the folder, in it, or holds it."""
    one, other = target.rstrip("/") + "/", folder + "/"
    return one.startswith(other) or other.startswith(one)


def _look_at_backup(options: Mapping[str, Any], before: datetime | None, found: Preflight, now: datetime) -> None:
    wanted = Wanted(
        options["directory"], options["pattern"], options["backup"], before, options["platform"], options["host"]
    )
    chosen = found.chosen = choose(
        wanted, read_header, lambda path: verify_archive(path, options["timeout_seconds"], options["max_ratio"]), now=now
    )
    if chosen.file is None:
        found.problems.append(chosen.problem)
        return
    found.notes += [f"a newer backup is not used, its data are lost: {path}: {reason}" for path, reason in chosen.passed_over]
    found.problems += _version_problems(options, chosen.header)
    path = chosen.file.path
    found.targets, missing = resolve_targets(options["targets"], read_members(path))
    found.problems += [f"the backup holds nothing of {plain(target, 200)}, which is to be brought back" for target in missing]
    found.problems += missing_units(found.services, found.targets, lambda: read_members(path))
    found.dumps, problems, notes = match_dumps(options["dumps"], chosen.header)
    found.problems += problems
    found.notes += notes


def missing_units(services: Sequence[Service], targets: Sequence[str], members: Callable[[], Iterable[Member]]) -> list[str]:
    """Return the units that neither this host has nor the backup brings, in sentences.

    :param members: yields the members of the backup; not asked when this host has all units.
    """
    wanted = {service.unit for service in services if service.unit and not service.known}
    for member in members() if wanted else ():
        folder, _slash, name = member.name.rpartition("/")
        path = member.name[len("files"):]
        if name in wanted and folder[len("files"):] in _UNIT_FOLDERS and any(touches(target, path) for target in targets):
            wanted.discard(name)
    return [f"the unit {unit} is not on this host, and the backup does not bring it: install what has it" for unit in sorted(wanted)]


def match_dumps(wanted: Sequence[str], header: Mapping[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """Return the dumps to restore, roles before the databases that belong to them, with problems and notes.

    :param wanted: names of the dumps of the databases that the description names.
    """
    held = [str(dump.get("name")) for dump in _dumps(header)]
    missing = [f"the backup has no dump {plain(name, 100)}, and its database is to be restored" for name in wanted if name not in held]
    unasked = [
        f"the dump {plain(name, 100)} stays in the backup: no database of the description has it" for name in held if name not in wanted
    ]
    roles_first = sorted((dump for dump in _dumps(header) if dump.get("name") in wanted), key=lambda dump: dump.get("type") != _GLOBALS)
    return [str(dump["name"]) for dump in roles_first], missing, unasked


def _version_problems(options: Mapping[str, Any], header: Mapping[str, Any]) -> list[str]:
    if options["other_versions"]:
        return []
    metadata = header.get("metadata")
    versions = metadata.get("versions") if isinstance(metadata, dict) else None
    node = (versions.get("node") if isinstance(versions, dict) else None) if options["node_projects"] else None
    dumps = [dump for dump in _dumps(header) if dump.get("name") in options["dumps"]]
    problems = [
        node_problem(node, _version("node") if node else None),
        postgresql_problem(dumps, _version("pg_restore") if dumps else None),
    ]
    return [f"{problem} (recovery_other_versions: true takes that)" for problem in problems if problem]


def _dumps(header: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    dumps = header.get("dumps")
    return [dump for dump in dumps if isinstance(dump, dict)] if isinstance(dumps, list) else []


def _version(program: str) -> str | None:
    answer = run_command([program, "--version"], timeout_seconds=_TIMEOUT_SECONDS)
    return plain(answer.stdout, 100) if answer.succeeded else None


def _result(options: Mapping[str, Any], found: Preflight, now: datetime) -> dict[str, Any]:
    backup = _backup_row(found.chosen, now)
    checks = [_check(options["platform"], found.problems)]
    if backup:
        checks.append(_backup_check(options, backup, found))
    return {
        "status": worst_of(checks),
        "checks": checks,
        "problems": [plain(problem) for problem in found.problems],
        "notes": [plain(note) for note in found.notes],
        "backup": backup,
        "passed_over": [{"path": plain(path), "reason": plain(reason)} for path, reason in found.chosen.passed_over],
        "targets": found.targets,
        "dumps": found.dumps,
        "services": [service.row() for service in found.services],
        "configuration_checks": found.checks,
        "maintenance": has_page(options["maintenance_file"]),
        "daemon_reload": any(touches(target, folder) for target in options["targets"] for folder in _UNIT_FOLDERS),
        "plan": [plain(line) for line in _plan(options, backup, found)],
    }


def _check(platform: str, problems: Sequence[str]) -> dict[str, Any]:
    """One row, however many problems there are: the subject of each would be the same."""
    if not problems:
        return check_result(CHECK, platform, OK, "Nothing stands against it.", value=0, unit="count")
    text = f"{len(problems)} thing{'s stand' if len(problems) > 1 else ' stands'} against it: {'; '.join(problems)}."
    return check_result(
        CHECK, platform, CRITICAL, text, value=len(problems), unit="count", hint="Nothing was touched.",
        evidence={"problems": list(problems)},
    )


def _backup_row(chosen: Chosen, now: datetime) -> dict[str, Any]:
    if chosen.file is None:
        return {}
    header = chosen.header
    started = str(header.get("started") or to_iso(chosen.file.created))
    try:
        moment = from_iso(started)
    except ValueError:
        moment, started = chosen.file.created, to_iso(chosen.file.created)
    texts = {key: plain(str(header.get(key) or ""), 200) for key in ("backup_id", "label", "platform", "host", "ended")}
    return {
        **texts, "path": chosen.file.path, "bytes": chosen.file.bytes, "started": started,
        "age_seconds": round((now - moment).total_seconds()),
    }


def _backup_check(options: Mapping[str, Any], backup: Mapping[str, Any], found: Preflight) -> dict[str, Any]:
    passed_over = found.chosen.passed_over
    text = f"{backup['path']} was read to its end and verifies; it is {figure_text(backup['age_seconds'], 'seconds')} old."
    if passed_over:
        text += f" {len(passed_over)} newer ones do not verify."
    return check_result(
        BACKUP_CHECK, options["directory"], WARNING if passed_over else OK, text, value=backup["age_seconds"], unit="seconds",
        hint="Look at why they are damaged before the next backup runs." if passed_over else "",
        evidence={"path": backup["path"], "backup_id": backup["backup_id"], "passed_over": [path for path, _reason in passed_over]},
    )


def _plan(options: Mapping[str, Any], backup: Mapping[str, Any], found: Preflight) -> list[str]:
    """Return the plan in the order in which it is done, one sentence each."""
    lines = []
    if backup:
        age = figure_text(backup["age_seconds"], "seconds")
        lines.append(f"from {backup['path']} ({bytes_text(backup['bytes'])}, {age} old, verified now)")
    if has_page(options["maintenance_file"]):
        lines.append(f"maintenance page: {options['maintenance_file']} is made, and removed at the end")
    lines += [service.sentence() for service in found.services]
    lines += [f"database: {name} replaces what is there; what is there is kept" for name in found.dumps]
    lines += [f"asked afterwards: {' '.join(command)}" for command in found.checks]
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"REFUSED: {problem}" for problem in found.problems]
    return lines
