# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a restore is tried: the option of every module that drills."""

from __future__ import annotations


class ModuleDocFragment:
    """The schedule of drills, and what is asked of a backup that was restored for one."""

    DOCUMENTATION = r"""
options:
  drill:
    type: dict
    suboptions:
      every_days:
        description: A drill is due when the last good one is older, in days, or when the last one found something. V(0) is each time.
        type: float
        default: 7.0
      max_days:
        description: No good drill for so long is critical, in days. V(0) is no limit.
        type: float
        default: 35.0
      directory:
        description:
          - Folder in which the scratch folder is made, as an absolute path. Its file system needs room for the unpacked backup, and
            5 percent of it stay free.
        type: path
        default: /var/tmp
      files:
        description:
          - Files that must be in the restored tree and not empty, by the paths from which they were saved; wildcards are allowed.
          - In an archive of another program, paths in the archive.
        type: list
        elements: str
        default: []
      command:
        description:
          - Program and arguments that must succeed. Its working directory is the restored tree, in which C(/opt/app) is C(opt/app).
        type: list
        elements: str
        default: []
      run_as:
        description: User whom that program runs as, who can read the tree then. By default the user of the module.
        type: str
      databases:
        description: Whether the dumps named by O(drill.dumps) are loaded into scratch databases and counted.
        type: bool
        default: true
      dumps:
        description:
          - Databases, each with how its server is reached, as in O(upkeep.runbook.backup_create#module:dumps). Roles
            (V(postgresql_globals)) are not loaded.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description:
              - What the dump is called; in a backup it is the member C(dumps/<name>). By default the type and the database, such
                as C(postgresql-neurosense.pgdump).
            type: str
          type:
            description:
              - V(postgresql) is one database, by C(pg_dump). V(postgresql_globals) are the roles and tablespaces of a server, by
                C(pg_dumpall).
              - V(mysql) is one database of MySQL or MariaDB, by C(mariadb-dump) or C(mysqldump).
              - V(sqlite) is one file, through SQLite's own backup API.
              - V(redis) is all that a server holds, as an RDB file.
            type: str
            choices: [postgresql, postgresql_globals, mysql, sqlite, redis]
            required: true
          database:
            description: Name of the database. Required for V(postgresql) and V(mysql).
            type: str
          path:
            description: File of the database. Required for V(sqlite).
            type: path
          host:
            description:
              - Name or address of the server, or the absolute path of its socket (of its folder for PostgreSQL). By default the
                local socket; for Redis C(127.0.0.1).
            type: str
          port:
            description: Port of the server, V(1) to V(65535). By default the usual one.
            type: int
          user:
            description: User of the database. By default V(postgres) for PostgreSQL, and whom the client takes otherwise.
            type: str
          password:
            description: Password of that user.
            type: str
          run_as:
            description:
              - User of the system that the clients run as. By default V(postgres) for a PostgreSQL that is reached through a socket
                without a password, otherwise the user of the module.
            type: str
          unit:
            description: Unit of systemd of Redis, which is stopped while its files are exchanged. Required to restore V(redis).
            type: str
          data_directory:
            description: Folder of the data of Redis, where the server does not say. By default V(/var/lib/redis).
            type: path
          binary_directory:
            description: Folder of the clients, such as C(/usr/lib/postgresql/16/bin). By default they are found through C(PATH).
            type: path
      sample:
        description: Which backups of a group are tried.
        type: list
        elements: str
        choices: [newest, oldest, random]
        default: [newest]
      accept:
        description:
          - What is restored that is refused otherwise, as in O(upkeep.runbook.backup_restore#module:accept). Drills accept what recoveries
            will, so that they show what those will do.
        type: list
        elements: str
        choices: [outside_links, special_bits, other_names]
        default: []
      timeout_seconds:
        description: Time for the drills of a group, V(1) to V(86400), in seconds.
        type: float
        default: 3600.0
"""
