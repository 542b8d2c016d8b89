# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of the process audit: what is suspicious about a process, each with an id, as data.

A name alone proves nothing: ``rsync`` is no ``nc``, and whoever has something to hide chooses the name. The rules look at what
really runs, from where, with what, and started by whom.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.process_audit.snapshot import NETWORK_TOOLS, SHELLS, Seen, Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.processes import units_of

TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/", "/dev/mqueue/", "/run/user/", "/run/shm/", "/run/lock/", "/var/lock/")
#: Hidden folders in which people and Ansible install programs.
ORDINARY_HIDDEN = (
    ".ansible", ".ansible_async", ".asdf", ".bin", ".bun", ".cargo", ".deno", ".fnm", ".local", ".nodenv", ".npm", ".nvm", ".pm2",
    ".pnpm", ".pyenv", ".rbenv", ".rustup", ".rvm", ".sdkman", ".venv", ".virtualenvs", ".volta", ".vscode-server", ".yarn",
)
#: Programs whose names are worn by others.
SYSTEM_NAMES = (
    "agetty", "atd", "auditd", "chronyd", "containerd", "cron", "crond", "dbus-daemon", "dockerd", "irqbalance", "ntpd", "polkitd",
    "rsyslogd", "sshd", "systemd", "systemd-journald", "systemd-logind", "systemd-networkd", "systemd-resolved",
    "systemd-timesyncd", "systemd-udevd", "udevd",
)
_KERNEL_NAME = re.compile(
    r"(?:kworker|ksoftirqd|migration|cpuhp|jbd2|irq|scsi_eh|idle_inject)/"
    r"|(?:kthreadd|kswapd\d+|kauditd|khungtaskd|khugepaged|kdevtmpfs|rcu_\w+|oom_reaper|kcompactd\d+|kblockd|watchdogd)\Z"
)
_IN_BRACKETS = re.compile(r"\[[^\s\]]+\]\Z")
#: Servers that start no shell in ordinary life; those that may are a warning.
_SERVERS = {
    **dict.fromkeys((
        "nginx", "apache2", "httpd", "lighttpd", "caddy", "haproxy", "redis-server", "memcached", "mysqld", "mariadbd", "mongod", "varnishd",
        "named", "dnsmasq", "rpcbind", "valkey-server",
    ), CRITICAL),
    **dict.fromkeys(("node", "nodejs", "bun", "deno", "java", "postgres", "php-fpm", "beam.smp"), WARNING),
}
_SHELL_STARTERS = re.compile(r"(?:^|[\s/])(?:npm|npx|yarn|pnpm|pm2|nodemon|corepack|lerna|turbo|PM2)\b|God Daemon")
#: Programs with the set-user-id bit, and helpers that system services start as root.
_MAY_BECOME_ROOT = (
    "sudo", "su", "pkexec", "doas", "exim4", "sendmail", "postdrop", "postqueue", "crontab", "at", "mount", "umount", "fusermount",
    "fusermount3", "newgrp", "passwd", "chsh", "chfn", "gpasswd", "expiry", "chage", "ping", "unix_chkpwd", "dbus-daemon-launch-helper",
    "polkit-agent-helper-1", "ssh-keysign", "Xorg", "newuidmap", "newgidmap", "snap-confine", "procmail", "maildrop",
)
_SYSTEM_USERS = range(1, 1000)
_LOOPBACK = re.compile(r"127\.|::1\Z")


class Found(NamedTuple):
    """What a rule says of a process. :ivar reason: a part of a sentence whose subject is the process."""

    status: str
    reason: str


@dataclass(frozen=True)
class Context:
    """What rules know beside the process. :ivar service_uids: users that run services, whatever their number."""

    snapshot: Snapshot
    service_uids: frozenset[int] = frozenset()
    expected_socket: Callable[[Seen], bool] = lambda _process: False


@dataclass(frozen=True)
class Rule:
    """One rule. :ivar hint: the next step."""

    id: str
    look: Callable[[Seen, Context], "Found | None"]
    hint: str


def _deleted(process: Seen, _context: Context) -> Found | None:
    if process.deleted and not (process.executable or "").startswith("/memfd:"):
        if process.replaced:
            return Found(WARNING, f"runs {process.executable}, which was replaced since (an update, most often)")
        return Found(CRITICAL, f"runs {process.executable}, which was deleted")
    if process.script and not process.script_exists and not process.script.startswith(("/dev/", "/proc/")):
        return Found(WARNING, f"runs the script {process.script}, which was deleted")
    return None


def _memory_only(process: Seen, _context: Context) -> Found | None:
    if (process.executable or "").startswith("/memfd:"):
        return Found(CRITICAL, f"runs a program that is in memory only ({process.executable})")
    return None


def _temporary(process: Seen, _context: Context) -> Found | None:
    for path, what in ((process.executable, "runs"), (process.script, "runs the script")):
        if path and path.startswith(TEMPORARY):
            return Found(CRITICAL, f"{what} {path}, in a folder for temporary files")
    return None


def _hidden(process: Seen, _context: Context) -> Found | None:
    for path, what in ((process.executable, "runs"), (process.script, "runs the script")):
        parts = [part for part in (path or "").split("/") if part.startswith(".") and part not in (".", "..")]
        if path and any(part not in ORDINARY_HIDDEN for part in parts) and not path.startswith("/memfd:"):
            status = WARNING if path.startswith(("/home/", "/root/")) else CRITICAL
            return Found(status, f"{what} {path}, which is hidden")
    return None


def _other_name(process: Seen, _context: Context) -> Found | None:
    if process.executable is None:
        return None
    first = process.argv[0] if process.argv else ""
    if _KERNEL_NAME.match(process.name) or _IN_BRACKETS.match(first) or _KERNEL_NAME.match(first):
        return Found(CRITICAL, f"calls itself {first or process.name} like a thread of the kernel, and runs {process.executable}")
    claimed = {process.name, posixpath.basename(first.split(" ")[0].rstrip(":").lstrip("-"))}
    for name in sorted(claimed.intersection(SYSTEM_NAMES)):
        if not process.program.startswith(name[:15]) and not (name == "systemd" and process.program.startswith("systemd")):
            return Found(CRITICAL, f"calls itself {name}, and runs {process.executable}")
    if process.is_shell and first:
        called = posixpath.basename(first.split(" ")[0]).lstrip("-")
        if called not in (*SHELLS, "su", "sudo", "login", "runuser", ""):
            return Found(WARNING, f"calls itself {called}, and is the shell {process.executable}")
    if process.real_first and posixpath.basename(process.real_first) != process.program and not process.deleted:
        return Found(WARNING, f"calls itself {first}, and runs {process.executable}")
    return None


def _socket(process: Seen, context: Context) -> Found | None:
    if not process.sockets or context.expected_socket(process):
        return None
    one = min(process.sockets, key=lambda item: (item.remote is None, item.port))
    where = f"listens at port {one.port} ({one.protocol})" if one.remote is None else f"is connected with {one.remote}"
    if process.is_shell:
        return Found(CRITICAL, f"is a shell that {where}")
    if process.program in NETWORK_TOOLS:
        return Found(WARNING, f"is a tool for connections that {where}")
    if process.on_standard:
        return Found(CRITICAL, f"{where} over its standard input or output")
    outside = [item for item in process.sockets if not _LOOPBACK.match(item.remote or item.address)]
    # What systemd starts as a service is meant to be there; its ports are the business of port_baseline.
    if outside and not any(unit.endswith(".service") and not unit.startswith("user@") for unit in units_of(process.pid)):
        return Found(WARNING, f"{where} and belongs to no service of systemd")
    return None


def _parent(process: Seen, context: Context) -> Found | None:
    parent = context.snapshot.processes.get(process.parent)
    if parent is None or not process.is_shell:
        return None
    # php-fpm carries its version in its name.
    status = _SERVERS.get("php-fpm" if parent.program.startswith("php-fpm") else parent.program)
    if status is None or any(_SHELL_STARTERS.search(argument) for argument in parent.argv[:3]):
        return None
    return Found(status, f"is a shell that {parent.program} started (pid {parent.pid})")


def _root(process: Seen, context: Context) -> Found | None:
    if process.effective_uid != 0 or process.program in _MAY_BECOME_ROOT or process.executable is None:
        return None
    for ancestor in context.snapshot.ancestors(process):
        if ancestor.program in _MAY_BECOME_ROOT:
            return None
        uid = ancestor.effective_uid
        if uid in context.service_uids or uid in _SYSTEM_USERS:
            return Found(CRITICAL, f"runs as root and was started by {ancestor.program or ancestor.name} (pid {ancestor.pid}) of another user")
    return None


def _preloaded(process: Seen, _context: Context) -> Found | None:
    if not process.preload:
        return None
    name, _equals, value = process.preload.partition("=")
    paths = [part for part in re.split(r"[:\s]+", value) if part]
    odd = [path for path in paths if path.startswith(TEMPORARY) or any(part.startswith(".") for part in path.split("/"))]
    if odd:
        return Found(CRITICAL, f"was started with {name} that loads {odd[0]}, from a temporary or hidden folder")
    return Found(WARNING, f"was started with {name}={value[:200]}")


_EVIDENCE = (
    "Keep it running until its memory and files are saved; isolate the host: upkeep.runbook.security_incident --tags isolate; "
    "if it is yours, list it in allow."
)
RULES = (
    Rule("deleted_executable", _deleted, "Restart it when it was updated. Otherwise copy /proc/<pid>/exe before it ends."),
    Rule("memory_executable", _memory_only, _EVIDENCE),
    Rule("temporary_executable", _temporary, _EVIDENCE),
    Rule("hidden_executable", _hidden, _EVIDENCE),
    Rule("other_name", _other_name, _EVIDENCE),
    Rule("interpreter_socket", _socket, "See what it is for: ss -tupn. If it is yours, run it as a service, or list it in allow."),
    Rule("unexpected_parent", _parent, _EVIDENCE),
    Rule("unexpected_root", _root, _EVIDENCE),
    Rule("preloaded_library", _preloaded, "See who set it; if it is yours, list it in allow."),
)
RULE_IDS = tuple(rule.id for rule in RULES)
