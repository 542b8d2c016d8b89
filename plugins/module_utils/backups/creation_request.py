# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the options of backup_create ask for, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.packing import LEVELS, usable
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.destination import archive_name, check_label
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.sources import Root, read_sources, told_source
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec, read_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range

_RANGES = {"timeout_seconds": (1, 604_800), "lock_wait_seconds": (0, 86_400), "min_free_percent": (0, 90)}


@dataclass(frozen=True)
class Request:
    """A backup that is to be made.

    :ivar now: when it began.
    :ivar sources: as they are told in the manifest.
    :ivar roots: what they mean on this host.
    :ivar dumps: databases.
    :ivar compression: the one that is used, which may be another than was asked for.
    :ivar warnings: what a person has to be told about that.
    :ivar accept: what restores are told to accept.
    """

    now: datetime
    destination: Path
    label: str
    platform: str
    host: str
    sources: list[dict[str, Any]]
    roots: list[Root]
    dumps: list[DumpSpec]
    compression: str
    level: int | None
    git: list[str]
    services: list[str]
    min_free_percent: float
    timeout_seconds: float
    warnings: list[str]
    accept: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the archive."""
        return archive_name(self.label, self.now, self.compression)

    def is_taken(self) -> bool:
        """Tell whether there is an archive of this label and second, however it is compressed."""
        return any(os.path.lexists(self.destination / archive_name(self.label, self.now, other)) for other in LEVELS)

    @property
    def path(self) -> Path:
        """Where the archive will be."""
        return self.destination / self.name


def read_request(params: Mapping[str, Any], now: datetime) -> Request:
    """Check the options and find the paths that they mean on this host.

    :raises UpkeepError: naming the option, what was given and what is accepted.
    """
    refuse_out_of_range(params, _RANGES)
    label = check_label(params["label"])
    destination = os.path.normpath(params["destination"])
    if not destination.startswith("/"):
        raise UpkeepError(f"destination: {params['destination']} is not accepted; give an absolute path")
    roots = read_sources(params["sources"] or [], now)
    # Its real path, so that what is told and what is renamed stay in one folder.
    destination = os.path.realpath(destination)
    inside = next((root.path for root in roots if root.path.startswith(destination.rstrip("/") + "/")), None)
    if inside is not None:
        raise UpkeepError(f"sources: {inside} lies in the folder of backups {destination}; choose another destination")
    dumps = read_dumps(params["dumps"] or [])
    if not roots and not dumps:
        raise UpkeepError("sources: there is nothing to back up; give sources or dumps")
    for name in params["git"] or []:
        if not name.startswith("/"):
            raise UpkeepError(f"git: {name} is not accepted; give the absolute path of a working tree")
    wanted = params["compression"]
    if params["compression_level"] is not None:
        refuse_out_of_range(params, {"compression_level": LEVELS[wanted]})
    compression, warnings, level = usable(wanted), [], params["compression_level"]
    if compression != wanted:
        warnings.append("the library libzstd is not installed, so that the backup is compressed by gzip; install it: apt install libzstd1")
        level = None
    return Request(
        now=now,
        destination=Path(destination),
        label=label,
        platform=params["platform"] or "",
        host=params["host"] or os.uname().nodename,
        sources=[told_source(source, source["paths"]) for source in params["sources"] or []],
        roots=roots,
        dumps=dumps,
        compression=compression,
        level=level,
        git=list(params["git"] or []),
        services=list(params["services"] or []),
        min_free_percent=params["min_free_percent"],
        timeout_seconds=params["timeout_seconds"],
        warnings=warnings,
        accept=tuple(params["accept"] or ()),
    )
