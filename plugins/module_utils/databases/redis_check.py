# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check an RDB file with Redis's own program."""

from __future__ import annotations

import re

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_processes import (
    ClientCall,
    find_program,
    run_client,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import PACKAGE
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_KEYS = re.compile(r"(\d+) keys read")


def count_keys(spec: DumpSpec, kept: Kept, deadline: float) -> int:
    """Read all of an RDB file, its checksum too, and return how many keys it holds.

    :raises UpkeepError: when it is damaged, or newer than the program, or there is no such program.
    """
    program = find_program(("redis-check-rdb",), spec.binary_directory, PACKAGE)
    call = ClientCall((program, f"/proc/self/fd/{kept.descriptor}"), descriptors=(kept.descriptor,))
    result = run_client(call, deadline=deadline)
    text = decode(result.output)
    if result.timed_out:
        raise UpkeepError(f"cannot check the {spec.shown}: redis-check-rdb was not done in time; raise timeout_seconds")
    keys = _KEYS.search(text)
    if result.returncode or keys is None:
        newer = re.search(r"Can't handle RDB format version (\d+)", text)
        if newer:
            raise UpkeepError(
                f"cannot restore the {spec.shown}: its dump has RDB version {newer[1]}, newer than the Redis of this host knows"
            )
        lines = [line for line in text.splitlines() if "rror" in line or "ERROR" in line or "EOF" in line]
        said = plain(" ".join(lines or text.splitlines()[-3:]), 300)
        raise UpkeepError(f"cannot restore the {spec.shown}: its dump is damaged (redis-check-rdb says: {said})")
    return int(keys[1])
