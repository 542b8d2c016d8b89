# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes of this host as lines of JSON, each with what an investigator asks first. Values of environments are never read out."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.paths import shown
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode

PROC = Path("/proc")
MAX_ENTRIES = 1000
MAX_TEXT_BYTES = 64 * 1024
#: So much is hashed of the programs that run, in each page.
MAX_HASHED_BYTES = 1024 * 1024 * 1024

_BUFFER_BYTES = 1024 * 1024


def processes_page(proc: Path, after: int, most_bytes: int) -> tuple[bytes, int | None]:
    """Return the lines of the processes after a process id, and the last of them; None at the end."""
    pids = sorted(pid for name in os.listdir(proc) if name.isdigit() and (pid := int(name)) > after)
    programs: dict[tuple[int, int], str] = {}
    lines, size = [], 0
    for pid in pids:
        row = _row(proc / str(pid), pid, programs)
        if row is None:
            continue
        lines.append(json.dumps(row, separators=(",", ":")).encode("ascii") + b"\n")
        size += len(lines[-1])
        if size >= most_bytes:
            return b"".join(lines), pid
    return b"".join(lines), None


def _row(folder: Path, pid: int, programs: dict[tuple[int, int], str]) -> dict[str, Any] | None:
    """Return what is known of a process; None when it has ended."""
    unreadable: list[str] = []
    status = _text(folder, "status", unreadable)
    if status is None:
        return None
    row: dict[str, Any] = {"pid": pid, "status": decode(status), "stat": decode(_text(folder, "stat", unreadable) or b"").strip()}
    row["cmdline"] = [decode(part) for part in (_text(folder, "cmdline", unreadable) or b"").split(b"\0")[:-1]][:MAX_ENTRIES]
    for name in ("exe", "cwd", "root"):
        row[name] = _link(folder, name, unreadable)
    if row["exe"]:
        row["exe_deleted"] = row["exe"].endswith(" (deleted)")
        row["exe_sha256"] = _program(folder / "exe", programs, unreadable)
    environment = _text(folder, "environ", unreadable, MAX_TEXT_BYTES * 16) or b""
    row["environment_names"] = [decode(part.partition(b"=")[0])[:200] for part in environment.split(b"\0") if part][:MAX_ENTRIES]
    row["namespaces"] = {name: _link(folder, f"ns/{name}", unreadable) for name in ("pid", "net", "mnt", "user")}
    row["cgroup"] = decode(_text(folder, "cgroup", unreadable) or b"").splitlines()[:20]
    row["loginuid"] = decode(_text(folder, "loginuid", unreadable) or b"")
    row["open_files"] = _open_files(folder, unreadable)
    row["maps"] = _maps(folder, unreadable)
    if unreadable:
        row["unreadable"] = unreadable
    return row


def _text(folder: Path, name: str, unreadable: list[str], most: int = MAX_TEXT_BYTES) -> bytes | None:
    try:
        with open(folder / name, "rb") as stream:
            return stream.read(most)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        unreadable.append(name)
        return None


def _link(folder: Path, name: str, unreadable: list[str]) -> str | None:
    try:
        return shown(os.readlink(os.fsencode(folder / name)))
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        unreadable.append(name)
        return None


def _open_files(folder: Path, unreadable: list[str]) -> dict[str, str]:
    try:
        names = sorted(os.listdir(folder / "fd"), key=int)
    except (FileNotFoundError, ProcessLookupError):
        return {}
    except OSError:
        unreadable.append("fd")
        return {}
    found = {name: _link(folder, f"fd/{name}", []) for name in names[:MAX_ENTRIES]}
    if len(names) > MAX_ENTRIES:
        unreadable.append(f"fd: {len(names) - MAX_ENTRIES} more")
    return {name: target for name, target in found.items() if target is not None}


def _maps(folder: Path, unreadable: list[str]) -> list[str]:
    """Return which files are mapped with which rights, and executable memory that no file backs."""
    found: dict[str, None] = {}
    for line in (_text(folder, "maps", unreadable, MAX_TEXT_BYTES * 64) or b"").splitlines():
        parts = line.split(None, 5)
        name = parts[5] if len(parts) > 5 else b""
        if len(parts) < 5 or not (name.startswith((b"/", b"[vdso")) or b"x" in parts[1]):
            continue
        found[f"{decode(parts[1])} {decode(parts[4])} {shown(name) or '(memory)'}"] = None
    listed = list(found)
    if len(listed) > MAX_ENTRIES:
        unreadable.append(f"maps: {len(listed) - MAX_ENTRIES} more")
    return listed[:MAX_ENTRIES]


def _program(path: Path, programs: dict[tuple[int, int], str], unreadable: list[str]) -> str | None:
    """Return the checksum of the program that runs, also of one that was deleted."""
    try:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOATIME | os.O_CLOEXEC)
        except PermissionError:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        unreadable.append("exe content")
        return None
    try:
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        if key not in programs:
            if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_HASHED_BYTES:
                return None
            digest = hashlib.sha256()
            while part := os.read(descriptor, _BUFFER_BYTES):
                digest.update(part)
            programs[key] = digest.hexdigest()
        return programs[key]
    except OSError:
        unreadable.append("exe content")
        return None
    finally:
        os.close(descriptor)
