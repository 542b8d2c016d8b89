"""Making dumps of the servers of the tests."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.dumping import DumpInfo, dump
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec, read_dumps
from ansible_collections.upkeep.runbook.tests.integration.servers import Server


def spec_of(server: Server | None, **given: Any) -> DumpSpec:
    """Return the spec of a dump of a server."""
    return read_dumps([{**(server.options if server else {}), **given}])[0]


def soon() -> float:
    """Return a deadline that no test reaches unless it hangs."""
    return time.monotonic() + 240


def dumped(spec: DumpSpec, deadline: float | None = None) -> tuple[DumpInfo, bytes]:
    """Dump into memory."""
    parts: list[bytes] = []
    info = dump(spec, parts.append, deadline or soon())
    return info, b"".join(parts)
