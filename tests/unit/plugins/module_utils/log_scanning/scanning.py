"""A place with logs and a memory, scanned as the module does."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.inspection import scan_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules.log_scan import argument_spec


def whole_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with the defaults of the module, those of lists of options included."""
    return _filled(argument_spec(), given)


def _filled(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    filled = {}
    for name, option in spec.items():
        value = given.get(name, option.get("default"))
        if value is not None and "options" in option:
            value = [_filled(option["options"], item) for item in value] if isinstance(value, list) else _filled(option["options"], value)
        filled[name] = value
    return filled


class Place:
    """A folder with the log ``app.log`` and a memory.

    :ivar answer: of the last scan.
    """

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.log = self.logs / "app.log"
        self.state = folder / "state"
        self.answer: dict[str, Any] = {}

    def write(self, *lines: str, name: str = "app.log") -> Path:
        """Append lines to a log."""
        path = self.logs / name
        with path.open("a", encoding="utf-8") as log:
            log.writelines(f"{line}\n" for line in lines)
        return path

    def pack(self, path: Path) -> Path:
        """Pack a file as gzip does, and keep its time."""
        packed = path.with_name(f"{path.name}.gz")
        status = path.stat()
        packed.write_bytes(gzip.compress(path.read_bytes()))
        os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()
        return packed

    def scan(self, *, now: datetime | None = None, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Scan the group ``app``, and from the beginning when that was never done."""
        given = {
            "groups": [{"name": "app", "paths": [str(self.log)]}], "since": "beginning", "state_directory": str(self.state),
            "return_all": True, **options,
        }  # fmt: skip
        self.answer = scan_logs(whole_options(given), now=now or utc_now(), check_mode=check_mode)
        return self.answer

    def errors(self, **options: Any) -> int:
        """Scan, and return how many errors were counted."""
        return sum(group["errors"] for group in self.scan(**options)["groups"])

    def check(self, check: str, subject: str | None = None) -> dict[str, Any]:
        """Return a check of the last scan."""
        (row,) = [row for row in self.answer["checks"] if row["check"] == check and subject in (None, row["subject"])]
        return row

    @property
    def memory(self) -> Path:
        """The file of what is remembered."""
        return self.state / "log-scan" / "app.json"
