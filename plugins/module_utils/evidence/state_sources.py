# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel and its tools tell of network, sessions, modules and mounts, each source as it stands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.reading import LeftOut, problem_of

#: So much is taken of one source; a table of 100 000 connections has 15 MB.
MAX_SOURCE_BYTES = 16 * 1024 * 1024
SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_COMMAND_SECONDS = 20.0
_MAX_NAMESPACES = 50

_SOCKETS = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "unix", "packet", "netlink")
_TABLES = ("arp", "route", "ipv6_route", "dev", "if_inet6", "fib_trie", "nf_conntrack")


@dataclass(frozen=True)
class Source:
    """Where something is told.

    :ivar name: of the file that it becomes.
    :ivar path: a file, or a folder whose names are listed.
    :ivar argv: a command, when it is one.
    """

    name: str
    path: str = ""
    argv: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The source for people."""
        return " ".join(self.argv) or self.path


def sources_of(item: str, proc: Path = Path("/proc")) -> list[Source]:
    """Return the sources of an item, the most volatile first."""
    if item == "network":
        tables = [Source(f"net-{name}", f"{proc}/net/{name}") for name in (*_SOCKETS, *_TABLES)]
        commands = [
            Source("ip-addresses.json", argv=("ip", "-json", "-details", "address", "show")),
            Source("ip-neighbors.json", argv=("ip", "-json", "neighbor", "show")),
            Source("ip-routes.json", argv=("ip", "-json", "route", "show", "table", "all")),
            Source("ip-routes6.json", argv=("ip", "-6", "-json", "route", "show", "table", "all")),
            Source("ip-rules.json", argv=("ip", "-json", "rule", "show")),
        ]
        # To ask for rules where there are none would load the module of the kernel.
        if Path("/sys/module/nf_tables").exists():
            commands.append(Source("nftables", argv=("nft", "list", "ruleset")))
        return [*tables, *_namespaces(proc), *commands]
    if item == "sessions":
        return [
            Source("utmp", "/run/utmp"),
            *(Source(f"logind-{Path(path).parent.name}-{Path(path).name}", path) for path in _below("/run/systemd/sessions")),
            *(Source(f"logind-{Path(path).parent.name}-{Path(path).name}", path) for path in _below("/run/systemd/users")),
            Source("loginctl", argv=("loginctl", "--no-pager", "--no-legend", "list-sessions")),
        ]
    if item == "modules":
        return [
            Source("modules", f"{proc}/modules"), Source("sys-module-names", "/sys/module"), Source("tainted", f"{proc}/sys/kernel/tainted"),
            Source("cmdline", f"{proc}/cmdline"), Source("version", f"{proc}/version"), Source("filesystems", f"{proc}/filesystems"),
        ]
    return [
        Source("mountinfo", f"{proc}/self/mountinfo"), Source("mountinfo-1", f"{proc}/1/mountinfo"), Source("swaps", f"{proc}/swaps"),
        Source("partitions", f"{proc}/partitions"), Source("fstab", "/etc/fstab"),
    ]


def read_source(source: Source) -> tuple[bytes, bool, dict[str, Any]]:
    """Return what a source tells, whether it was cut, and what else is to be known of it.

    :raises LeftOut: when it cannot be read.
    """
    if source.argv:
        return _command(source)
    try:
        if os.path.isdir(source.path):
            return "".join(f"{name}\n" for name in sorted(os.listdir(source.path))).encode("utf-8", "surrogateescape"), False, {}
        # Never a pipe: these are files of the kernel and of systemd.
        descriptor = os.open(source.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            data = stream.read(MAX_SOURCE_BYTES + 1)
    except FileNotFoundError:
        raise LeftOut("absent", "is not there") from None
    except OSError as exc:
        raise problem_of(exc) from exc
    return data[:MAX_SOURCE_BYTES], len(data) > MAX_SOURCE_BYTES, {}


def _command(source: Source) -> tuple[bytes, bool, dict[str, Any]]:
    program = shutil.which(source.argv[0], path=SEARCH_PATH)
    if program is None:
        raise LeftOut("absent", f"was not asked: {source.argv[0]} is not installed")
    done = run_command((program, *source.argv[1:]), timeout_seconds=_COMMAND_SECONDS, max_output_bytes=MAX_SOURCE_BYTES)
    if not done.succeeded:
        why = "did not answer in time" if done.timed_out else (done.stderr.strip() or done.problem or f"ended with {done.returncode}")
        raise LeftOut("failed", f"could not be asked: {why[:200]}")
    return done.stdout.encode("utf-8", "surrogateescape"), done.truncated, {"program": program}


def _below(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if not name.endswith(".ref")]
    except OSError:
        return []


def _namespaces(proc: Path) -> Iterator[Source]:
    """Yield the sockets of other network namespaces, those of containers, through a process in each."""
    met = {_namespace(proc / "self")}
    for pid in sorted((int(name) for name in os.listdir(proc) if name.isdigit())):
        namespace = _namespace(proc / str(pid))
        if namespace and namespace not in met and len(met) <= _MAX_NAMESPACES:
            met.add(namespace)
            for name in ("tcp", "tcp6", "udp", "udp6"):
                yield Source(f"namespace-{namespace}-{name}", f"{proc}/{pid}/net/{name}")


def _namespace(folder: Path) -> str:
    try:
        return os.readlink(folder / "ns/net").strip("net:[]")
    except OSError:
        return ""
