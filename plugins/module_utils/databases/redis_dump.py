# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dump Redis as a replica would get it: a whole RDB file, made by the server beside its work."""

from __future__ import annotations

import os
from collections.abc import Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_processes import account_of
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import call_client
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import chunks_of, unnamed_file


def dump_data(spec: DumpSpec, sink: Callable[[bytes], None], deadline: float, directory: str | None) -> str:
    """Stream the data of a server; return the program that made the dump.

    :param directory: on whose file system the dump is kept until redis-cli has written all of it.
    :raises UpkeepError: when it fails, in words.
    """
    with unnamed_file(directory) as descriptor:
        account = account_of(spec.run_as)
        if account is not None:
            os.fchown(descriptor, account.pw_uid, account.pw_gid)
        # Into a file: a server may send the data before it knows their size, and the client cuts off what marks their end.
        arguments = ["--rdb", f"/proc/self/fd/{descriptor}"]
        call_client(spec, "dump", arguments, deadline=deadline, descriptors=[descriptor])
        for chunk in chunks_of(descriptor):
            sink(chunk)
    version = call_client(spec, "dump", ["--version"], deadline=deadline)
    return version.output.decode("utf-8", "replace").strip()
