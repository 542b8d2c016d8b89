# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the security configuration, from options to results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, check_result, fold_ok, severity, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ignoring import ignore_rows, ignored_row
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.kernel import inspect_kernel
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.lynis import inspect_lynis
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.nginx import inspect_nginx
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.options import Options, read_options
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import Finding, unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.secret_files import inspect_secrets
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ssh import inspect_ssh
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.sudo import inspect_sudo
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.tls import inspect_tls
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.updates import inspect_updates
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain, plain_value

#: So many findings are returned, and so many rows for each check; what is more is one row.
MAX_FINDINGS = 1000
MAX_ROWS = 200

Answer = tuple[list[Finding], dict[str, Any]]


def _ssh(options: Options) -> Answer:
    return inspect_ssh(options.overrides, timeout_seconds=options.timeout_seconds, host=options.host)


def _updates(options: Options) -> Answer:
    return inspect_updates(options.updates, now=options.now, timeout_seconds=options.timeout_seconds, host=options.host)


def _secrets(options: Options) -> Answer:
    return inspect_secrets(options.secrets, options.secrets_exclude)


def _tls(options: Options) -> Answer:
    return inspect_tls(options.endpoints, timeout_seconds=options.endpoint_timeout_seconds, concurrency=options.concurrency)


def _nginx(options: Options) -> Answer:
    return inspect_nginx(options.headers, options.limited, timeout_seconds=options.timeout_seconds)


def _sudoers(options: Options) -> Answer:
    return inspect_sudo(options.host)


def _kernel(options: Options) -> Answer:
    return inspect_kernel(options.overrides, options.host)


def _lynis(options: Options) -> Answer:
    run = options.lynis_run and not options.check_mode
    return inspect_lynis(options.lynis, run=run, now=options.now, timeout_seconds=options.lynis_timeout_seconds, host=options.host)


_PARTS: dict[str, Callable[[Options], Answer]] = {
    "ssh": _ssh, "updates": _updates, "secrets": _secrets, "tls": _tls, "nginx": _nginx, "sudoers": _sudoers, "kernel": _kernel, "lynis": _lynis,
}  # fmt: skip


def inspect_configuration(params: Mapping[str, Any], *, now: datetime, check_mode: bool, host: Host | None = None) -> dict[str, Any]:
    """Return what the module returns, but for ``changed``.

    :param params: the options of the module.
    :param host: another one than this, for tests.
    :raises UpkeepError: when an option is wrong.
    """
    options = read_options(params, now=now, check_mode=check_mode, host=host or Host())
    findings: list[Finding] = []
    figures: dict[str, Any] = {}
    for part in options.parts:
        more, figures[part] = _looked_at(part, options)
        findings += [settled for finding in more if (settled := options.overrides.settled(finding)) is not None]
    findings = _each_once(findings)
    rows = _bounded([ignored_row(finding, options.ignores, now) for finding in findings])
    blind = {finding.part for finding in findings if finding.status == UNKNOWN}
    rows += ignore_rows(options.ignores, findings, set(options.parts) - blind, now)
    if not rows:
        rows = [check_result("configuration.parts", "parts", OK, f"Nothing of what was asked for is on this host ({', '.join(options.parts)}).")]
    return {
        "status": worst_of(rows),
        "checks": fold_ok(rows, return_all=options.return_all),
        "findings": _details(findings, options.return_all),
        "parts": plain_value(figures),
    }


def _looked_at(part: str, options: Options) -> Answer:
    try:
        return _PARTS[part](options)
    except Exception as exc:  # whatever it is, the other parts must keep their answers
        return [unseen(part, part, f"The part {part} could not be looked at: {type(exc).__name__}: {exc}.")], {}


def _each_once(findings: Sequence[Finding]) -> list[Finding]:
    """Return one finding for each subject of a check, the worst: check and subject are what a problem is known again by."""
    kept: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.check, finding.subject)
        if key not in kept or severity(finding.status) > severity(kept[key].status):
            kept[key] = finding
    return list(kept.values())


def _bounded(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows, and one for those of a check that are too many: a host has one page."""
    kept: list[dict[str, Any]] = []
    cut: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, int] = {}
    for row in rows:
        check = row["check"]
        if row["status"] == OK:
            kept.append(row)
            continue
        counts[check] = counts.get(check, 0) + 1
        if counts[check] <= MAX_ROWS:
            kept.append(row)
        elif not row.get("suppressed"):
            cut.setdefault(check, []).append(row)
    for check, more in cut.items():
        kept.append(check_result(
            check, "further findings", worst_of(more), f"{len(more)} further findings of this kind are not listed.", value=len(more), unit="count",
        ))  # fmt: skip
    return kept


def _details(findings: Sequence[Finding], return_all: bool) -> list[dict[str, Any]]:
    listed = [finding for finding in findings if return_all or finding.status != OK]
    return [
        {"rule": plain(one.rule, 200), "subject": plain(one.subject, 300), "status": one.status, "summary": plain(one.summary, 500)}
        for one in listed[:MAX_FINDINGS]
    ]
