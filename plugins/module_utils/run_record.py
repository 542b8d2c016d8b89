# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run record: what one run found on every host, as one JSON document (``docs/run_record.md``).

Pure: values in, one dict out. Its rule is that nothing goes missing silently. A role that was promised and left no
usable result is ``unknown`` with the reason; a host that did not answer is ``critical``; a role that was left out on
purpose is ``not_run``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL,
    OK,
    UNKNOWN,
    WARNING,
    check_result,
    platform_health,
    worst,
    worst_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.received_checks import read_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import said_reason, says, was_left_out
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import run_started, to_iso

SCHEMA = 1
NOT_RUN = "not_run"
PLATFORM_ROLE = "platform"
REPORT_ROLE = "report"
NOTIFY_ROLE = "notify"

_MAX_NAME = 100
_MAX_REASON = 400

_UNREACHABLE = "the host is unreachable"
_CONNECTION_HINT = "Check that the host is up and that ansible.builtin.ping reaches it with this inventory."


@dataclass(frozen=True)
class Run:
    """What a run is, apart from what it found.

    :ivar run_id: ``YYYYMMDDTHHMMSSZ-xxxxxxxx``; the time in it is the start of the run.
    :ivar ended: the moment at which the results were put together.
    """

    run_id: str
    platform: str
    playbook: str
    check_mode: bool
    ended: datetime


#: A role has its name for a tag, and some a second one.
_OTHER_TAGS = {"security_audit": {"security"}, "secrets": {"rotate"}}


@dataclass(frozen=True)
class Selection:
    """The ``--tags`` and ``--skip-tags`` of a run, as Ansible gives them (``['all']`` and ``[]`` by default)."""

    run_tags: Collection[str] = ("all",)
    skip_tags: Collection[str] = ()

    def leaves_out(self, role: str) -> bool:
        """Tell whether a role was left out."""
        tags = {"all", "tagged", role} | _OTHER_TAGS.get(role, set())
        return bool(tags & set(self.skip_tags)) or not tags & set(self.run_tags)


def build_record(
    run: Run,
    results: Mapping[str, Mapping[str, Any]],
    *,
    promised_roles: Sequence[str],
    selection: Selection,
    report_host: str = "",
    report_result: Any = None,
) -> dict[str, Any]:
    """Build the record of a run.

    :param results: for each host of the play what each role registered; a role without a result is absent or None.
    :param promised_roles: the roles whose results must be there, in the order of the play.
    :param report_host: the host on which the checks of the run itself were made.
    :param report_result: result of those checks (heartbeats), None when none were asked for.
    :raises ValueError: when the run id has another form than ``YYYYMMDDTHHMMSSZ-xxxxxxxx``.
    """
    hosts: dict[str, dict[str, Any]] = {}
    for host, found in results.items():
        hosts[_name_of_its_own(host, hosts)] = _host(host, found, promised_roles, selection)
    run_checks = _run_checks(hosts, promised_roles)
    entry = _report_entry(report_result, run_checks)
    if entry is not None:
        name = plain(report_host, _MAX_NAME) or "localhost"
        hosts.setdefault(name, {"reachable": not says(report_result, "unreachable"), "roles": {}})
        hosts[name]["roles"][REPORT_ROLE] = entry
    return with_hosts({
        "schema": SCHEMA,
        "run_id": run.run_id,
        "platform": plain(run.platform, _MAX_NAME),
        "playbook": plain(run.playbook, _MAX_NAME),
        "check_mode": run.check_mode,
        "started": to_iso(run_started(run.run_id)),
        "ended": to_iso(run.ended),
    }, hosts)


def with_hosts(record: Mapping[str, Any], hosts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record with these hosts, and the status and health that follow from them."""
    status = worst(host_status(host) for host in hosts.values())
    return {**record, "status": status, "health": platform_health(status), "hosts": dict(hosts)}


def with_run_checks(
    record: Mapping[str, Any], report_host: str, role: str, checks: Sequence[dict[str, Any]], reason: str = ""
) -> dict[str, Any]:
    """Return the record with further checks of the run itself, under a role of the report host; the same one without any."""
    if not checks:
        return dict(record)
    name = plain(report_host, _MAX_NAME) or "localhost"
    host = record["hosts"].get(name, {"reachable": True, "roles": {}})
    before = host["roles"].get(role, {"reason": "", "checks": []})
    listed = [*before["checks"], *checks]
    entry = {"status": worst_of(listed), "reason": before["reason"] or reason, "checks": listed}
    return with_hosts(record, {**record["hosts"], name: {**host, "roles": {**host["roles"], role: entry}}})


def _name_of_its_own(host: str, others: Collection[str]) -> str:
    """Return the name of a host as it is shown; one that was cut to the name of another gets a number."""
    name = shown = plain(host, _MAX_NAME)
    number = 2
    while shown in others:
        shown = f"{name} ({number})"
        number += 1
    return shown


def host_status(host: Mapping[str, Any]) -> str:
    """Return the worst status of the roles of a host that ran; unknown when none did."""
    return worst(role["status"] for role in host["roles"].values() if role["status"] != NOT_RUN)


def role_entry(role: str, result: Any, *, left_out: bool = False) -> dict[str, Any]:
    """Return ``{status, reason, checks}`` of what one role left behind.

    :param result: the registered result, as hostile as whatever the target answered; None when there is none.
    :param left_out: the tags of the run left this role out.
    """
    if result is None:
        if left_out:
            return {"status": NOT_RUN, "reason": "left out by the tags of this run", "checks": []}
        return _missing(role, "the role left no result; the run ended before it, or its task has another register name")
    if not isinstance(result, Mapping):
        return _missing(role, f"the result of the role is no dictionary but {type(result).__name__}")
    if says(result, "unreachable"):
        # What the calls before that one found still counts.
        found, _problem = read_checks(result.get("checks"))
        status = worst([UNKNOWN, worst_of(found)])
        return {"status": status, "reason": f"the host was lost: {said_reason(result)}", "checks": found}
    if says(result, "skipped"):
        return _skipped(role, result)
    checks, problem = read_checks(result.get("checks"))
    if says(result, "failed"):
        problem = f"the role failed: {said_reason(result)}"
    if problem:
        missing = _missing(role, problem)
        return {**missing, "status": worst_of(checks + missing["checks"]), "checks": checks + missing["checks"]}
    return {"status": worst_of(checks), "reason": "", "checks": checks}


def _host(
    host: str, results: Mapping[str, Any], promised_roles: Sequence[str], selection: Selection
) -> dict[str, Any]:
    ping = results.get(PLATFORM_ROLE)
    lost_in = [role for role in promised_roles if says(results.get(role), "unreachable")]
    # A role that was skipped asked the host nothing.
    answered = [role for role in promised_roles if results.get(role) is not None and not says(results[role], "skipped")]
    came_back = bool(lost_in) and answered[-1] not in lost_in
    check = _reachable(host, ping, lost_in, came_back, results)
    reachable = check["status"] in (OK, WARNING)
    roles = {PLATFORM_ROLE: {"status": check["status"], "reason": "", "checks": [check]}}
    for role in promised_roles:
        entry = role_entry(role, _unrepeated(results.get(role), ping), left_out=selection.leaves_out(role))
        if results.get(role) is None and entry["status"] != NOT_RUN and check["status"] == CRITICAL:
            # One row says why; a row for each role would bury it.
            entry = {"status": UNKNOWN, "reason": _UNREACHABLE, "checks": []}
        elif role in lost_in and came_back:
            entry = _missing(role, entry["reason"])
        roles[role] = entry
    return {"reachable": reachable, "roles": roles}


def _reachable(
    host: str, ping: Any, lost_in: list[str], came_back: bool, results: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the check ``host.reachable``."""
    if says(ping, "unreachable"):
        return check_result(
            "host.reachable", host, CRITICAL, f"The host is unreachable: {said_reason(ping)}", hint=_CONNECTION_HINT
        )
    if came_back:
        return check_result(
            "host.reachable", host, WARNING, f"The host was lost during {', '.join(lost_in)} and came back.",
            hint="Look at the network and at restarts of the host.",
        )
    if lost_in:
        return check_result(
            "host.reachable", host, CRITICAL,
            f"The host answered at first and was lost during {lost_in[0]}: {said_reason(results[lost_in[0]])}",
            hint=_CONNECTION_HINT,
        )
    if ping is None or says(ping, "skipped"):
        return check_result(
            "host.reachable", host, UNKNOWN, "Nobody asked whether the host answers: the role platform left no result.",
            hint="Run without --skip-tags, and look for an error of the role platform further up.",
        )
    if not isinstance(ping, Mapping) or says(ping, "failed"):
        return check_result(
            "host.reachable", host, UNKNOWN, f"The host answered, but no module can run on it: {said_reason(ping)}",
            hint="See that the user may become root there and that ansible_python_interpreter is Python 3.9 or later.",
        )
    return check_result("host.reachable", host, OK, "The host answers.")


def _skipped(role: str, result: Mapping[str, Any]) -> dict[str, Any]:
    if was_left_out(result):
        return {"status": NOT_RUN, "reason": "nothing is configured for this host", "checks": []}
    return _missing(role, f"the role was skipped: {said_reason(result)}")


def _missing(role: str, reason: str) -> dict[str, Any]:
    """Return the entry of a role whose result cannot be used; the problem gets a row of its own."""
    reason = plain(reason, _MAX_REASON)
    check = check_result(
        "role.result", role, UNKNOWN, f"No result of {role}: {reason}",
        hint="Look for the error of this role in the output of the run; -vvv shows all of it.",
    )
    return {"status": UNKNOWN, "reason": reason, "checks": [check]}


def _run_checks(hosts: Mapping[str, Any], promised_roles: Sequence[str]) -> list[dict[str, Any]]:
    """A run in which every role was left out has seen nothing: that is not health."""
    if not hosts:
        summary = "The run had no host."
    elif any(host["roles"][role]["status"] != NOT_RUN for host in hosts.values() for role in promised_roles):
        return []
    else:
        summary = "No role looked at anything: all were left out by tags or have nothing configured."
    return [
        check_result(
            "role.result", ", ".join(promised_roles) or "all roles", UNKNOWN, summary,
            hint="Check --tags, --limit and what upkeep_platform describes for these hosts.",
        )
    ]


def _report_entry(result: Any, run_checks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the entry of the checks of the run itself, None when there are none."""
    checks = list(run_checks)
    reason = ""
    if result is not None and not (isinstance(result, Mapping) and result.get("checks") == []):
        entry = role_entry(REPORT_ROLE, result)
        if says(result, "unreachable"):
            entry = _missing(REPORT_ROLE, f"the report host is unreachable: {said_reason(result)}")
        checks += entry["checks"]
        reason = entry["reason"]
    return {"status": worst_of(checks), "reason": reason, "checks": checks} if checks else None


def _unrepeated(result: Any, ping: Any) -> Any:
    """Return a result without a reason that ``host.reachable`` tells already: a host without Python fails each role."""
    if says(result, "failed") and says(ping, "failed") and said_reason(result) == said_reason(ping):
        return {**result, "msg": "the same reason as host.reachable", "module_stderr": ""}
    return result
