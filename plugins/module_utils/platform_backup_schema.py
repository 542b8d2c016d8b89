# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of ``upkeep_platform`` about what is kept and brought back: databases, caches, backups, recovery."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils import platform_values as values
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_kinds import (
    COUNT,
    FREE,
    GLOB,
    HOST,
    HOSTS,
    LINE,
    MEMBER,
    NAME_GLOB,
    PATH,
    PORT,
    REDIS_URL,
    UNIT,
    USER,
    optional,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_kinds import (
    Choice,
    Field,
    Flag,
    Integer,
    ListOf,
    Number,
    Record,
    Text,
)

LABEL = Text(values.read_label, "letters, digits, dots, dashes, underscores")
MODE = Text(values.read_mode, "mode of a file")
REPOSITORY = Text(values.read_repository, "restic repository")

DATABASE = Record(
    {
        "type": Field(Choice(("postgresql", "mysql", "sqlite")), required=True),
        "hosts": HOSTS,
        "name": optional(LINE),
        "path": optional(PATH),
        "host": optional(HOST),
        "port": optional(PORT),
        "user": optional(USER),
        "run_as": optional(USER),
        "unit": optional(UNIT),
        "backup": Field(Flag(), default=True),
    }
)

CACHE = Record(
    {
        "type": Field(Choice(("redis",)), required=True),
        "hosts": HOSTS,
        "url": Field(REDIS_URL, required=True),
        "unit": optional(UNIT),
        "data_directory": optional(PATH),
        "backup": Field(Flag(), default=True),
    }
)

SOURCE = Record(
    {
        "name": Field(LINE, required=True),
        "hosts": HOSTS,
        "paths": Field(ListOf(GLOB, minimum=1), required=True),
        "exclude": optional(ListOf(LINE)),
        "max_age_days": optional(Number(0.01, 36_500)),
        "one_file_system": Field(Flag(), default=True),
        "pattern": optional(ListOf(NAME_GLOB)),
        "require": optional(ListOf(MEMBER)),
    }
)

KEEP = Record(
    {
        "last": Field(COUNT, default=0),
        "daily": Field(COUNT, default=0),
        "weekly": Field(COUNT, default=0),
        "monthly": Field(COUNT, default=0),
        "yearly": Field(COUNT, default=0),
        "within_days": Field(COUNT, default=0),
    }
)

DRILL = Record(
    {
        "every_days": Field(Number(0, 10_000), default=7),
        "max_days": Field(Number(0, 10_000), default=35),
        "files": optional(ListOf(GLOB)),
        "command": optional(ListOf(FREE)),
        "run_as": optional(USER),
        "databases": Field(Flag(), default=True),
    }
)

RESTIC = Record(
    {
        "repository": Field(REPOSITORY, required=True),
        "password_file": optional(PATH),
    },
    from_text=lambda text: {"repository": text},
)

BACKUP = Record(
    {
        "hosts": HOSTS,
        "directory": Field(PATH, required=True),
        "sources": Field(ListOf(SOURCE, minimum=1), required=True),
        "engine": Field(Choice(("archive", "restic")), default="archive"),
        "label": optional(LABEL),
        "compression": Field(Choice(("zstd", "gzip", "none")), default="zstd"),
        "restic": optional(RESTIC),
        "keep": Field(KEEP, default={"daily": 7, "weekly": 4, "monthly": 12}),
        "drill": Field(DRILL, default={}),
        "accept": optional(ListOf(Choice(("outside_links", "special_bits", "other_names")))),
        "pattern": optional(ListOf(NAME_GLOB)),
        "manifest": optional(Choice(("required", "optional", "none"))),
        "require": optional(ListOf(MEMBER)),
        "max_age_hours": optional(Number(0, 100_000)),
        "min_bytes": optional(Integer(0, 2**53)),
        "max_shrink_percent": optional(Number(0, 100)),
    }
)

ENV_FILE = Record(
    {
        "path": Field(PATH, required=True),
        "hosts": HOSTS,
        "required_keys": optional(ListOf(LINE)),
        "mode": Field(MODE, default="0600"),
        "owner": optional(USER),
    },
    from_text=lambda text: {"path": text},
)

CONFIGURATION_CHECK = Record({"command": Field(ListOf(FREE, minimum=1), required=True), "hosts": HOSTS})

RECOVERY = Record(
    {
        "hosts": HOSTS,
        "targets": optional(ListOf(PATH)),
        "maintenance_file": optional(PATH),
        "env_files": optional(ListOf(ENV_FILE)),
        "configuration_checks": optional(ListOf(CONFIGURATION_CHECK)),
        "start_order": optional(ListOf(LINE)),
        "health_seconds": Field(Number(1, 3600), default=120),
        "health_consecutive": Field(Integer(1, 100), default=3),
    }
)
