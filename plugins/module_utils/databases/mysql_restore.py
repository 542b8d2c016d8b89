# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Restore a database of MySQL or MariaDB: into a new schema beside it, whose tables then take the place of the present ones.

All tables change their schema in one statement, which the server does as a whole or not at all. Only tables can do that:
views, triggers, routines and events are written down before, removed, and made again behind it. A table of our own moves
along with the others and tells a later run, when this one was killed, on which side of that statement it ended.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import ask, identifier, literal, run_script
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_loading import (
    drop,
    load,
    refuse_elsewhere,
    schema_options,
    server_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_objects import (
    Objects,
    dump_objects,
    objects_of,
    removals,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restorer import Facts, Restorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import Kept
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

#: How long the exchange waits for those who use a table, after their connections were ended.
_LOCK_SECONDS = 20


class MysqlRestorer(Restorer):
    """One database. Each schema that is set aside has a file beside the journals with what is no table of it."""

    def look(self, kept: Kept) -> Facts:
        refuse_elsewhere(self.spec, kept)
        version, free, directory = server_of(self.spec, self.deadline)
        self.existed = self._exists(self.spec.database)
        return Facts(self.existed, version, free, directory, kept.look.bytes)

    def stage(self, kept: Kept) -> None:
        load(self.spec, kept, self.staged_name, self.deadline)

    def swap(self) -> None:
        self._exchange(self.staged_name, self.previous_name)

    def has_previous(self) -> bool:
        return self._exists(self.previous_name)

    def put_back(self) -> None:
        self._finish(self.previous_name, self.undone_name)
        if self._exists(self.previous_name):
            self._exchange(self.previous_name, self.undone_name)
        if not self.existed:
            self._drop_empty(self.spec.database)

    def is_swapped(self) -> bool:
        self._finish(self.staged_name, self.previous_name)
        return not self._exists(self.staged_name)

    def discard_stage(self) -> None:
        drop(self.spec, self.staged_name, self.deadline)
        self._forget(self.staged_name)
        # A run that is ended before any table moved leaves these: a note, and a schema in which there is nothing.
        self._drop_empty(self.previous_name)
        if not self._exists(self.previous_name):
            self._forget(self.previous_name)
        if not self.existed:
            self._drop_empty(self.spec.database)

    def drop_undone(self) -> None:
        drop(self.spec, self.undone_name, self.deadline)
        self._forget(self.undone_name)

    def drop_previous(self) -> None:
        drop(self.spec, self.previous_name, self.deadline)
        self._forget(self.previous_name)
        self._forget(self.staged_name)  # which a run leaves that is ended in its last step

    @property
    def _marker(self) -> str:
        return f"upkeep_exchange_{self.restore_id}"

    def _exists(self, schema: str) -> bool:
        return schema_options(self.spec, schema, self.deadline) is not None

    def _exchange(self, incoming: str, outgoing: str) -> None:
        """Let the tables of ``incoming`` take the place of those of the database, which go to ``outgoing``."""
        live = self.spec.database
        self._drop_empty(outgoing)  # which a run leaves that is ended before any table moved
        coming, going = self._objects(incoming), self._objects(live)
        if not self._note(incoming).exists():
            self._write(incoming, dump_objects(self.spec, incoming, coming, self.deadline))
        self._write(outgoing, dump_objects(self.spec, live, going, self.deadline))
        options = schema_options(self.spec, incoming, self.deadline) or ""
        present = schema_options(self.spec, live, self.deadline)
        marker = f"{identifier(incoming)}.{identifier(self._marker)}"
        self._run(
            f"CREATE DATABASE IF NOT EXISTS {identifier(live)}{options};\n"
            f"CREATE DATABASE {identifier(outgoing)}{options if present is None else present};\n"
            f"CREATE TABLE {marker} (moved INT);\n"
        )
        try:
            self._end_connections()
            self._run(removals(incoming, coming) + removals(live, going) + self._moves(incoming, outgoing, coming, going))
        except UpkeepError:
            self._finish(incoming, outgoing)
            raise
        self._run(f"ALTER DATABASE {identifier(live)}{options};\n")
        self._finish(incoming, outgoing)

    def _moves(self, incoming: str, outgoing: str, coming: Objects, going: Objects) -> str:
        live = self.spec.database
        moves = [(live, outgoing, name) for name in going.tables]
        moves += [(incoming, live, name) for name in (*coming.tables, self._marker)]
        renames = ",\n".join(
            f"{identifier(old)}.{identifier(name)} TO {identifier(new)}.{identifier(name)}" for old, new, name in moves
        )
        return f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}, foreign_key_checks = 0;\nRENAME TABLE {renames};\n"

    def _finish(self, incoming: str, outgoing: str) -> None:
        """Complete an exchange whose tables have moved, or make one undone whose tables have not; safe to do twice."""
        live = self.spec.database
        self._run("")
        if self._marker in self._objects(live).tables:
            self._make_objects(incoming, live)
            drop(self.spec, incoming, self.deadline)
            self._run(f"DROP TABLE {identifier(live)}.{identifier(self._marker)};\n")
            self._forget(incoming)
        elif self._marker in self._objects(incoming).tables:
            self._make_objects(outgoing, live)
            self._drop_empty(outgoing)
            self._run(f"DROP TABLE {identifier(incoming)}.{identifier(self._marker)};\n")
            self._forget(outgoing)

    def _make_objects(self, noted: str, schema: str) -> None:
        """Make the views, triggers, routines and events again that were written down for ``noted``."""
        try:
            with open(self._note(noted), "rb") as file:
                run_script(self.spec, file.fileno(), doing="restore", deadline=self.deadline, database=schema)
        except OSError as exc:
            raise UpkeepError(f"cannot restore the {self.spec.shown}: {self._note(noted)}: {exc.strerror}") from exc

    def _end_connections(self) -> None:
        question = f"SELECT id FROM information_schema.processlist WHERE db = {literal(self.spec.database)} AND id <> CONNECTION_ID();"
        for row in ask(self.spec, question, doing="exchange", deadline=self.deadline):
            try:
                self._run(f"KILL {int(row[0])};\n")
            except (UpkeepError, ValueError):
                continue  # it ended by itself; whoever stays makes the exchange wait, and fail in words

    def _drop_empty(self, schema: str) -> None:
        objects = self._objects(schema)
        if not objects.tables and not objects.views and not objects.others:
            drop(self.spec, schema, self.deadline)

    def _objects(self, schema: str) -> Objects:
        return objects_of(self.spec, schema, self.deadline)

    @property
    def _lock(self) -> str:
        """SQL that waits for the client of a run that was killed, which may still be at work; its end gives the lock back."""
        return f"DO GET_LOCK('upkeep_{self.restore_id}', {_LOCK_SECONDS * 3});\n"

    def _run(self, statements: str) -> None:
        ask(self.spec, self._lock + statements, doing="exchange", deadline=self.deadline)

    def _note(self, schema: str) -> Path:
        kind = schema[len(self.spec.database) + 1 :]
        return Path(self.state_directory) / f"{self.spec.name}.{kind}.sql"

    def _write(self, schema: str, script: bytes) -> None:
        write_atomically(self._note(schema), self._lock.encode() + script)

    def _forget(self, schema: str) -> None:
        try:
            os.unlink(self._note(schema))
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise UpkeepError(f"cannot remove {self._note(schema)}: {exc.strerror}") from exc
