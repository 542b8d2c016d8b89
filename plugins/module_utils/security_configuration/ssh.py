# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How sshd is configured: the values that really hold, as sshd itself prints them, beside what is asked of them."""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.programs import AS_ROOT, failure_of, find_program
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Overrides,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ssh_matches import (
    MAX_MATCHES,
    NotUnderstood,
    connection_of,
    read_blocks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.ssh_rules import AT_MOST, NO_WEAK, RULES, SshRule
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

VALID = Rule(
    "ssh.valid", CRITICAL, "sshd would not start again, and nobody could log in", "See all of it: sshd -t; mend it before sshd restarts.",
)
#: What sshd says of a mistake in its configuration, in contrast to that of its surroundings.
_MISTAKE = re.compile(r"\bline \d+|bad configuration option|keyword .* (?:missing|extra) argument", re.IGNORECASE)
_START_HINT = "It is made when sshd starts: systemctl start ssh; where sshd is started for each connection: mkdir -m 0755 /run/sshd"

Settings = Mapping[str, Sequence[str]]


def read_settings(output: str) -> dict[str, list[str]]:
    """Return the values of each keyword as ``sshd -T`` prints them: lines of keyword and value."""
    settings: dict[str, list[str]] = {}
    for line in output.splitlines():
        keyword, _space, value = line.strip().partition(" ")
        if keyword:
            settings.setdefault(keyword.lower(), []).append(value.strip())
    return settings


def judge_settings(settings: Settings, overrides: Overrides, place: str = "") -> list[Finding]:
    """Return a finding for each rule whose keyword this version of sshd knows.

    :param place: the Match block in which the settings hold; nothing for those outside of all.
    """
    return [_judge(rule, settings[rule.keyword.lower()][0], overrides, place) for rule in RULES if rule.keyword.lower() in settings]


def _judge(rule: SshRule, value: str, overrides: Overrides, place: str) -> Finding:
    subject = f"{rule.keyword} (Match {place})" if place else rule.keyword
    where = f" for Match {plain(place, 120)}" if place else ""
    why = rule.rule.why
    if rule.kind == NO_WEAK:
        accepted = overrides.accepted.get(rule.rule.id, ())
        weak = [name for name in value.split(",") if any(fnmatchcase(name, pattern) for pattern in rule.accepted) and name not in accepted]
        if not weak:
            return in_order(rule.rule, subject, f"{rule.keyword}{where} allows nothing weak.")
        return found(rule.rule, subject, f"{rule.keyword}{where} allows {plain(', '.join(weak), 200)}: {why}.", value=plain(", ".join(weak), 200))
    if rule.kind == AT_MOST:
        limit = overrides.limits.get(rule.rule.id, int(rule.accepted[0]))
        if value.isascii() and value.isdigit() and 0 < int(value[:12]) <= limit:
            return in_order(rule.rule, subject, f"{rule.keyword}{where} is {value} (at most {limit}).", value=int(value))
        shown = "without limit" if value == "0" else plain(value, 60)
        return found(rule.rule, subject, f"{rule.keyword}{where} is {shown} (at most {limit}): {why}.", value=plain(value, 60))
    accepted = overrides.accepted.get(rule.rule.id, tuple(name.lower() for name in rule.accepted))
    if value.lower() in accepted:
        return in_order(rule.rule, subject, f"{rule.keyword}{where} is {value}.", value=plain(value, 60))
    return found(rule.rule, subject, f"{rule.keyword}{where} is {plain(value, 60)}: {why}.", value=plain(value, 60))


def inspect_ssh(overrides: Overrides, *, timeout_seconds: float, host: Host) -> tuple[list[Finding], dict[str, Any]]:
    """Return what is found, and figures; no finding where there is no sshd."""
    program = find_program("sshd")
    if program is None:
        return [], {"installed": False}
    done = run_command([program, "-T"], timeout_seconds=timeout_seconds)
    if not done.succeeded:
        # From version 9.3 on, -G prints the same without host keys and folders of a running sshd.
        other = run_command([program, "-G"], timeout_seconds=timeout_seconds)
        done = other if other.succeeded and other.stdout.strip() else done
    if not done.succeeded or done.truncated:
        return [_failed(done)], {"installed": True}
    settings = read_settings(done.stdout)
    findings = [in_order(VALID, "sshd", "sshd accepts its configuration."), *judge_settings(settings, overrides)]
    more, blocks = _inside_blocks(program, settings, overrides, timeout_seconds=timeout_seconds, host=host)
    return findings + more, {"installed": True, "settings": len(settings), "match_blocks": blocks}


def _failed(done: CommandResult) -> Finding:
    words = done.stderr.strip()
    if _MISTAKE.search(words) and not done.timed_out:
        return found(VALID, "sshd", f"sshd refuses its configuration, so that {VALID.why}: {plain(words, 300)}")
    hint = _START_HINT if "privilege separation directory" in words else AS_ROOT if os.geteuid() != 0 else "See what it says: sshd -T"
    return unseen("ssh", "sshd", f"sshd could not be asked for its settings: {failure_of(done)}.", hint)


def _inside_blocks(
    program: str, outside: Settings, overrides: Overrides, *, timeout_seconds: float, host: Host
) -> tuple[list[Finding], int]:
    """Return what holds inside Match blocks and is worse than, or other than, what holds outside of them."""
    try:
        blocks = read_blocks(host)
    except Unseen as exc:
        return [unseen("ssh", "Match", f"Match blocks may have been missed: a file of the configuration {exc}.", AS_ROOT)], 0
    findings: list[Finding] = []
    for block in blocks[:MAX_MATCHES]:
        subject = f"Match {block.text}"
        try:
            connection = connection_of(block, member_of)
        except NotUnderstood as exc:
            findings.append(unseen(
                "ssh", subject, f"What holds in the block Match {plain(block.text, 150)} is not known: it {exc}.",
                "Ask sshd about such a connection: sshd -T -C user=…,host=…,addr=…",
            ))  # fmt: skip
            continue
        if connection is None:
            continue
        done = run_command([program, "-T", "-C", connection], timeout_seconds=timeout_seconds)
        if not done.succeeded or done.truncated:
            findings.append(unseen("ssh", subject, f"sshd could not be asked what holds in {plain(subject, 150)}: {failure_of(done)}."))
            continue
        inside = read_settings(done.stdout)
        changed = {keyword: values for keyword, values in inside.items() if list(values) != list(outside.get(keyword, ()))}
        findings += judge_settings(changed, overrides, block.text)
    if len(blocks) > MAX_MATCHES:
        findings.append(unseen("ssh", "Match", f"Only the first {MAX_MATCHES} of {len(blocks)} Match blocks were looked at."))
    return findings, len(blocks)


def member_of(pattern: str) -> str | None:
    """Return somebody who is in a group whose name fits a pattern, or None."""
    for group in grp.getgrall():
        if not fnmatchcase(group.gr_name, pattern):
            continue
        if group.gr_mem:
            return group.gr_mem[0]
        for account in pwd.getpwall():
            if account.pw_gid == group.gr_gid:
                return account.pw_name
    return None
