# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A dump of Redis, checked without a server: loading it beside the real one would take the memory of the host twice."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_check import count_keys
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.scratch import ScratchDatabase
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


class RedisScratch(ScratchDatabase):
    """What redis-check-rdb found in a dump."""

    _keys = 0

    @classmethod
    def restored(cls, spec: DumpSpec, kept: Kept, deadline: float, _directory: str | None) -> RedisScratch:
        """Check the dump, every byte of it.

        :raises UpkeepError: when it is damaged.
        """
        made = cls(spec, "", deadline)
        made._keys = count_keys(spec, kept, deadline)
        return made

    def query(self, sql: str) -> list[list[str]]:
        raise UpkeepError("a dump of Redis is checked without a server, so it cannot be queried")

    def counts(self) -> dict[str, int]:
        return {"keys": self._keys}

    def drop(self) -> None:
        """Nothing is left."""
