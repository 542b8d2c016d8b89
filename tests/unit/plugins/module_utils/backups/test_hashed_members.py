"""Members are hashed in a process of their own or in the one that reads: both say the same of a backup, word for word."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives import hashing_beside, process_ahead
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.inspection import verify_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso
from ansible_collections.upkeep.runbook.plugins.modules.backup_verify import argument_spec
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.backups.written_backups import (
    Backup,
    application,
    compress,
    file,
    tar_of,
    write_backup,
)

NOW = from_iso("2026-11-22T12:00:00Z")
LONG_AGO = (1_790_000_000,) * 2
DEFAULTS = {name: option.get("default") for name, option in argument_spec().items()}
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
BIG = 2 * process_ahead.SLOT_BYTES + 12_345


def held() -> Any:
    """Return members of which some lie in several slots, with an archive that is opened."""
    noise = random.Random(9)
    inside = compress("tar.gz", tar_of(application(30_000), None))
    return [
        *application(), file("files/big", noise.randbytes(BIG)), file("files/app.tar.gz", inside),
        *(file(f"files/{number}", noise.randbytes(150_000)) for number in range(20)), file("files/last", b"x"),
    ]


def listed_otherwise(*names: str) -> Any:
    return [(member._replace(sha256="0" * 64) if member.name in names else member, data) for member, data in held()]


def other_order() -> Any:
    """Return lines of which two have changed places; the reader itself hashes these and what lies between them."""
    lines = listed_otherwise("files/big", "files/3", "files/5", "files/7", "files/last")
    first, second = (next(at for at, (member, _data) in enumerate(lines) if member.name == name) for name in ("files/4", "files/6"))
    lines[first], lines[second] = lines[second], lines[first]
    return lines


LISTED: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "nothing": (held, []),
    "small": (lambda: listed_otherwise("files/opt/app/server.js"), ["files/opt/app/server.js"]),
    "in several slots": (lambda: listed_otherwise("files/big"), ["files/big"]),
    "archive inside": (lambda: listed_otherwise("files/app.tar.gz"), ["files/app.tar.gz"]),
    "dump": (lambda: listed_otherwise("dumps/main", "files/19"), ["dumps/main", "files/19"]),
    "last": (lambda: listed_otherwise("files/last"), ["files/last"]),
    "other order": (other_order, ["files/big", "files/3", "files/5", "files/7", "files/last"]),
}


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let small backups be read as large ones are, and return a list of what was hashed by another process."""
    monkeypatch.setattr(process_ahead, "_LEAST_BYTES", 0)
    added: list[int] = []
    end = hashing_beside.HashingProcess.end

    def noted(process: Any, length: int) -> None:
        end(process, length)
        added.append(process._expected.added)

    monkeypatch.setattr(hashing_beside.HashingProcess, "end", noted)
    return added


def verify(backup: Backup, processors: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(hashing_beside.os, "sched_getaffinity", lambda _pid: set(range(processors)))
    options = {**DEFAULTS, "return_all": True, "path": str(backup.path), "level": "content"}
    os.utime(backup.path, LONG_AGO)
    return verify_backups(options, now=NOW, read_only=True)


@pytest.mark.parametrize("kind", ["tar.zst", "tar.gz"])
@pytest.mark.parametrize("case", list(LISTED))
def test_what_differs_is_named_wherever_it_is_hashed(
    tmp_path: Path, kind: str, case: str, processes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, names = LISTED[case]
    backup = write_backup(tmp_path, kind, held(), listed=lines())
    result = verify(backup, 2, monkeypatch)
    assert processes and processes[0] > 10
    row = next(row for row in result["checks"] if row["check"] == "backup.content_hashes")
    assert row["status"] == ("critical" if names else "ok")
    found = row.get("evidence", {}).get("differences", [])
    assert found == [f"{name} has other contents than when it was packed" for name in names]
    processes.clear()
    assert verify(backup, 1, monkeypatch) == result
    assert not processes


@pytest.mark.parametrize("kind", ["tar.zst", "tar.gz"])
def test_damaged_copies_are_told_the_same(tmp_path: Path, kind: str, processes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    backup = write_backup(tmp_path, kind, held(), listed=listed_otherwise("files/opt/app/logo.png", "files/big"))
    whole = backup.path.read_bytes()
    chance = random.Random(6)
    for _turn in range(6):
        at = chance.randrange(len(whole) // 2, len(whole))
        for copy in (whole[:at], whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]):
            backup.path.write_bytes(copy)
            result = verify(backup, 2, monkeypatch)
            assert result["status"] == "critical"
            assert verify(backup, 1, monkeypatch) == result
    assert len(processes) >= 12


def test_the_death_of_who_hashes_is_unknown(tmp_path: Path, processes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    backup = write_backup(tmp_path, "tar.zst", held())
    monkeypatch.setattr(hashing_beside._Hashing, "_hash_slot", lambda _self, _length: os.kill(os.getpid(), signal.SIGKILL))
    result = verify(backup, 2, monkeypatch)
    statuses = {row["check"]: row["status"] for row in result["checks"]}
    assert (result["status"], statuses["backup.readable"], statuses["backup.content_hashes"]) == ("unknown",) * 3
    assert "the process that hashes its members died" in json.dumps(result["checks"])
    assert len(processes) == 2  # a quick comparison, and one that would say what differs
