# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that every module takes that dumps or restores databases."""

from __future__ import annotations


class ModuleDocFragment:
    """Which databases, and how their servers are reached."""

    DOCUMENTATION = r"""
options:
  dumps:
    description:
      - Databases, each with how its server is reached. Passwords never appear on a command line or in a file with a name.
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
        description: Port of the server, V(1) to V(65535). By default the usual one. MySQL's needs C(host).
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
"""
