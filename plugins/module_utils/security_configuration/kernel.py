# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of the kernel's settings, as data, and what they are now."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.programs import AS_ROOT
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Overrides,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_BYTES = 4096


class KernelRule(NamedTuple):
    """A rule about one setting.

    :ivar name: as sysctl writes it.
    :ivar accepted: the values that are accepted; the first one is advised.
    """

    rule: Rule
    name: str
    accepted: tuple[str, ...]


def _rule(name: str, accepted: tuple[str, ...], why: str) -> KernelRule:
    hint = f"Write {name} = {accepted[0]} into a file in /etc/sysctl.d, then: sysctl --system"
    return KernelRule(Rule(f"kernel.{name}", WARNING, why, hint), name, accepted)


SETTINGS: tuple[KernelRule, ...] = (
    _rule("kernel.randomize_va_space", ("2",), "attacks on memory need not guess where something is"),
    _rule("kernel.kptr_restrict", ("1", "2"), "addresses in the kernel are shown to users, which attacks on it need"),
    _rule("kernel.dmesg_restrict", ("1",), "messages of the kernel are shown to users, addresses among them"),
    _rule("kernel.yama.ptrace_scope", ("1", "2", "3"), "a program that was taken reads the memory of all others of its user"),
    _rule("kernel.unprivileged_bpf_disabled", ("1", "2"), "users load programs into the kernel, which often had holes"),
    _rule("kernel.perf_event_paranoid", ("2", "3", "4"), "users measure the kernel, which attacks on it use"),
    _rule("fs.protected_hardlinks", ("1",), "users link to files of others, and wait until a program of root acts on them"),
    _rule("fs.protected_symlinks", ("1",), "users lead programs of root astray in folders such as /tmp"),
    _rule("fs.protected_fifos", ("1", "2"), "users put pipes where programs of root write, in folders such as /tmp"),
    _rule("fs.protected_regular", ("2", "1"), "users put files where programs of root write, in folders such as /tmp"),
    _rule("fs.suid_dumpable", ("0", "2"), "the memory of programs with rights of root is left where users can read it"),
    _rule("net.ipv4.tcp_syncookies", ("1", "2"), "a flood of half-open connections shuts everybody out"),
    _rule("net.ipv4.icmp_echo_ignore_broadcasts", ("1",), "the host helps to flood others"),
    _rule("net.ipv4.conf.all.accept_source_route", ("0",), "a sender chooses the way of its packets, past filters"),
    _rule("net.ipv4.conf.all.accept_redirects", ("0",), "somebody in the same network leads traffic to themselves"),
    _rule("net.ipv4.conf.default.accept_redirects", ("0",), "somebody in the same network leads traffic to themselves"),
    _rule("net.ipv6.conf.all.accept_redirects", ("0",), "somebody in the same network leads traffic to themselves"),
    _rule("net.ipv6.conf.default.accept_redirects", ("0",), "somebody in the same network leads traffic to themselves"),
    _rule("net.ipv6.conf.all.accept_source_route", ("0", "-1"), "a sender chooses the way of its packets, past filters"),
)
RULES = tuple(one.rule for one in SETTINGS)


def inspect_kernel(overrides: Overrides, host: Host) -> tuple[list[Finding], dict[str, Any]]:
    """Return what is found, and figures. A setting that this kernel or container does not have is left out."""
    findings: list[Finding] = []
    absent = []
    for rule in SETTINGS:
        try:
            value = " ".join(decode(host.read(f"/proc/sys/{rule.name.replace('.', '/')}", _BYTES)[0]).split())
        except Absent:
            absent.append(rule.name)
            continue
        except Unseen as exc:
            findings.append(unseen("kernel", rule.name, f"{rule.name} {exc}.", AS_ROOT))
            continue
        findings.append(_judge(rule, value, overrides))
    if len(absent) == len(SETTINGS):
        return [unseen("kernel", "/proc/sys", "The settings of the kernel could not be looked at: /proc/sys has none of them.")], {"absent": absent}
    return findings, {"settings": len(SETTINGS) - len(absent), "absent": absent}


def _judge(rule: KernelRule, value: str, overrides: Overrides) -> Finding:
    accepted = overrides.accepted.get(rule.rule.id, rule.accepted)
    if value in accepted:
        return in_order(rule.rule, rule.name, f"{rule.name} is {value}.", value=value)
    advised = " or ".join(accepted)
    return found(rule.rule, rule.name, f"{rule.name} is {plain(value, 60)} (asked for: {advised}): {rule.rule.why}.", value=plain(value, 60))
