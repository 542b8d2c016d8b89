"""A folder with logs, and the module's work on it without a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rotating import rotate_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import DEFAULTS

NOW = datetime(2026, 11, 22, 5, 0, 0, 123456, timezone.utc)

Rotate = Callable[..., "dict[str, Any]"]


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return a folder that only its owner may write to."""
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def rotate(tmp_path: Path, logs: Path) -> Rotate:
    """Return what rotates the logs ``*.log`` of the folder, with the defaults of the module."""
    def call(*, now: datetime = NOW, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        params = {
            **DEFAULTS, "reopen": None, "groups": [], "timeout_seconds": 30.0, "lock_wait_seconds": 0.0, "run_id": None,
            "paths": [str(logs / "*.log")], "state_directory": str(tmp_path / "state"), "return_all": True, "wait_seconds": 0.2,
            "check_logrotate": False, **options,
        }
        return rotate_logs(params, now=now, check_mode=check_mode)

    return call


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Return what tells names, kinds, modes, times and contents of everything in the folder of the test."""

    def look() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in sorted(tmp_path.rglob("*")):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            found[str(path)] = (status.st_mode, status.st_uid, status.st_mtime_ns, status.st_ino, content)
        return found

    return look
