"""Making dumps of the servers of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.dumping import DumpInfo, dump
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec, read_dumps
from ansible_collections.upkeep.runbook.plugins.modules.database_restore import argument_spec
from ansible_collections.upkeep.runbook.tests.integration.servers import Server

_RESTORE = """
import json, sys
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restoring import restore_databases
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
restore_databases(json.loads(sys.argv[1]), now=utc_now(), check_mode=False)
"""


def spec_of(server: Server | None, **given: Any) -> DumpSpec:
    """Return the spec of a dump of a server."""
    return read_dumps([{**(server.options if server else {}), **given}])[0]


def soon() -> float:
    """Return a deadline that no test reaches unless it hangs."""
    return time.monotonic() + 240


def restore_params(archive: Path, dump: dict[str, Any], state_directory: Path, /, **given: Any) -> dict[str, Any]:
    """Return the options of a restore as the module has them, its defaults among them."""
    defaults = {name: option.get("default") for name, option in argument_spec().items()}
    return {**defaults, "path": str(archive), "dumps": [dump], "state_directory": str(state_directory), **given}


def start_restore(params: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a restore in a process of its own, which can be killed."""
    return subprocess.Popen(
        [sys.executable, "-c", _RESTORE, json.dumps(params)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def dumped(spec: DumpSpec, deadline: float | None = None) -> tuple[DumpInfo, bytes]:
    """Dump into memory."""
    parts: list[bytes] = []
    info = dump(spec, parts.append, deadline or soon())
    return info, b"".join(parts)
