"""Restores of MariaDB, SQLite and Redis: what they have in common, and killed at any moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import ask
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_restore import MysqlRestorer
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.redis_client import call_client
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restoring import restore_databases
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.tests.integration import servers
from ansible_collections.upkeep.runbook.tests.integration.archives import archive_of
from ansible_collections.upkeep.runbook.tests.integration.dumps import dumped, restore_params, soon, spec_of, start_restore
from ansible_collections.upkeep.runbook.tests.integration.servers import Server

#: What a database holds that the backup was made of, and what it holds when it is restored.
BACKED_UP, LIVE = 500, 7


class Base:
    """A database of any type, with a backup of its first state, and a second state that is live."""

    def __init__(self, tmp_path: Path, given: dict[str, Any]) -> None:
        self.state = tmp_path / "state"
        self.given = {**given, "name": "the.dump"}
        self.spec: DumpSpec = spec_of(None, **self.given)
        self.create()
        self.dump = dumped(self.spec)[1]
        self.path = archive_of(tmp_path / "backup.tar.gz", {"the.dump": self.dump})
        self.make_live()

    def create(self) -> None:
        """Make the database with its first state."""

    def make_live(self) -> None:
        """Give it its second state."""

    def count(self) -> int:
        """Return how many rows there are."""
        raise NotImplementedError

    def leftovers(self) -> list[str]:
        """Return what there is beside the database."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove the database: a bare host."""

    def params(self, **given: Any) -> dict[str, Any]:
        return restore_params(self.path, self.given, self.state, **{"timeout_seconds": 240.0, **given})

    def restore(self, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
        return restore_databases(self.params(**given), now=utc_now(), check_mode=check_mode)

    def refusal(self, **given: Any) -> str:
        with pytest.raises(UpkeepError) as caught:
            self.restore(**given)
        return caught.value.message

    def noted(self) -> list[str]:
        folder = self.state / "database-restores"
        return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


class MariaDb(Base):
    """A schema with everything that is no table, too."""

    def ask(self, statements: str, database: str = "shop") -> list[list[str]]:
        return ask(self.spec, statements, doing="ask", deadline=soon(), database=database)

    def create(self) -> None:
        for name in ["shop", *self.leftovers()]:  # whatever a test left that failed
            self.ask(f"DROP DATABASE IF EXISTS {name};", database="")
        self.ask(
            "CREATE DATABASE shop CHARACTER SET latin1; USE shop;"
            "CREATE TABLE customers (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO customers VALUES (1);"
            "CREATE TABLE orders (n INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES customers (id)) ENGINE=InnoDB;"
            f"INSERT INTO orders SELECT seq, 1 FROM seq_1_to_{BACKED_UP};"
            "CREATE TABLE audit (n INT); CREATE VIEW big AS SELECT n FROM orders WHERE n > 100; CREATE VIEW bigger AS SELECT n FROM big;"
            "CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n;"
            "CREATE TRIGGER noted AFTER INSERT ON orders FOR EACH ROW INSERT INTO audit VALUES (NEW.n);"
            "CREATE EVENT sweep ON SCHEDULE EVERY 1 DAY DO DELETE FROM audit;",
            database="",
        )

    def make_live(self) -> None:
        self.ask(f"DELETE FROM orders WHERE n > {LIVE}; CREATE TABLE only_live (n INT); CREATE VIEW live_view AS SELECT 1 AS one;")

    def count(self) -> int:
        return int(self.ask("SELECT count(*) FROM orders;")[0][0])

    def shape(self) -> dict[str, list[list[str]]]:
        questions = {
            "tables": "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'shop' ORDER BY 1;",
            "triggers": "SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE trigger_schema = 'shop';",
            "routines": "SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'shop';",
            "events": "SELECT event_name FROM information_schema.events WHERE event_schema = 'shop';",
            "keys": "SELECT referenced_table_name FROM information_schema.referential_constraints WHERE constraint_schema = 'shop';",
            "schema": "SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = 'shop';",
        }
        return {key: self.ask(question, database="") for key, question in questions.items()}

    def leftovers(self) -> list[str]:
        return sorted(row[0] for row in self.ask("SHOW DATABASES LIKE 'shop\\_%';", database=""))

    def remove(self) -> None:
        self.ask("DROP DATABASE shop;", database="")


class Sqlite(Base):
    """A file whose latest rows are in its log."""

    def sql(self, statements: str) -> None:
        connection = sqlite3.connect(self.spec.path)
        connection.executescript(statements)
        connection.close()

    def create(self) -> None:
        self.sql(
            "PRAGMA journal_mode = WAL; CREATE TABLE orders (n);"
            f"WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {BACKED_UP}) INSERT INTO orders SELECT i FROM s;"
        )
        os.chmod(self.spec.path, 0o640)

    def make_live(self) -> None:
        # A process that ends without closing leaves its last rows in the log.
        script = (
            f"import os, sqlite3; c = sqlite3.connect({self.spec.path!r}); c.execute('DELETE FROM orders WHERE n > {LIVE}');"
            "c.commit(); os._exit(0)"
        )
        subprocess.run([sys.executable, "-c", script], check=True)

    def count(self) -> int:
        connection = sqlite3.connect(self.spec.path)
        try:
            return int(connection.execute("SELECT count(*) FROM orders").fetchone()[0])
        finally:
            connection.close()

    def leftovers(self) -> list[str]:
        name = os.path.basename(self.spec.path)
        return sorted(entry for entry in os.listdir(os.path.dirname(self.spec.path)) if entry not in (name, f"{name}-wal", f"{name}-shm"))

    def remove(self) -> None:
        for path in Path(self.spec.path).parent.glob("shop.db*"):
            path.unlink()


class Redis(Base):
    """A server under a unit."""

    def __init__(self, tmp_path: Path, server: Server) -> None:
        self.server = server
        super().__init__(tmp_path, {**server.options, "type": "redis"})

    def call(self, *command: str) -> str:
        return call_client(self.spec, "ask", command, deadline=soon()).output.decode().strip()

    def create(self) -> None:
        self.fill(BACKED_UP)

    def fill(self, count: int) -> None:
        self.call("EVAL", "for n = 1, ARGV[1] do redis.call('SET', 'key ' .. n, n) end", "0", str(count))

    def make_live(self) -> None:
        self.call("FLUSHALL")
        self.fill(LIVE)

    def count(self) -> int:
        return int(self.call("DBSIZE"))

    def leftovers(self) -> list[str]:
        return sorted(entry for entry in os.listdir(self.server.directory / "data") if entry.startswith(".upkeep"))

    def remove(self) -> None:
        self.call("FLUSHALL")
        self.call("CONFIG", "SET", "save", "")
        subprocess.run([self.server.directory / "bin" / "systemctl", "stop"], check=True)
        for path in (self.server.directory / "data").rglob("*"):
            path.is_file() and path.unlink()
        subprocess.run([self.server.directory / "bin" / "systemctl", "start"], check=True)


@pytest.fixture(params=["mysql", "sqlite", "redis", "redis with a log"])
def base(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Base]:
    """A database of each type."""
    if request.param == "mysql":
        server = request.getfixturevalue("mariadb_server")
        yield MariaDb(tmp_path, {**server.options, "type": "mysql", "database": "shop"})
    elif request.param == "sqlite":
        (tmp_path / "data").mkdir()
        yield Sqlite(tmp_path, {"type": "sqlite", "path": str(tmp_path / "data" / "shop.db")})
    else:
        settings = ["--appendonly", "yes"] if "log" in request.param else []
        with servers.redis_unit(*settings) as server:
            monkeypatch.setenv("PATH", f"{server.directory / 'bin'}:{os.environ['PATH']}")
            yield Redis(tmp_path, server)


def test_restored_kept_put_back_and_dropped(base: Base) -> None:
    done = base.restore()
    assert base.count() == BACKED_UP
    assert done["restored"][0]["existed"] and done["restored"][0]["previous"] and len(base.leftovers()) == 1
    base.restore(state="previous", id=done["id"])
    assert base.count() == LIVE
    base.restore(state="dropped_previous")
    assert base.leftovers() == [] and base.noted() == []
    assert base.count() == LIVE


def test_only_as_many_previous_data_as_wanted_are_kept(base: Base) -> None:
    for _turn in range(3):
        done = base.restore(keep_previous=1)
    assert len(base.leftovers()) == 1 and done["id"] in base.leftovers()[0]
    base.restore(keep_previous=0)
    assert base.leftovers() == [] and base.noted() == [] and base.count() == BACKED_UP


def test_a_restore_that_was_taken_back_takes_the_place_of_no_previous_data(base: Base) -> None:
    first, second = (base.restore(keep_previous=2)["id"] for _turn in range(2))
    base.restore(state="previous", id=second)
    third = base.restore(keep_previous=2)["id"]
    left = base.leftovers()
    assert sorted(one for one in (first, second, third) if any(one in name for name in left)) == sorted([first, third])


def test_when_somebody_removed_the_previous_data_what_is_there_stays(base: Base) -> None:
    place = base.restore()["restored"][0]["previous"]
    if os.path.isdir(place):
        shutil.rmtree(place)
    elif os.path.isfile(place):
        os.unlink(place)
    else:
        base.ask(f"DROP DATABASE {place};", database="")
    assert "are not there any more; nothing was put back" in base.refusal(state="previous")
    assert base.count() == BACKED_UP
    base.restore()


def test_what_is_not_there_is_created_and_put_back_to_nothing(base: Base) -> None:
    base.remove()
    done = base.restore()
    assert base.count() == BACKED_UP
    if not isinstance(base, Redis):  # which may have written an empty file
        assert done["restored"][0]["previous"] is None
    base.restore(state="previous")
    base.restore(state="dropped_previous")
    assert base.leftovers() == [] and base.noted() == []


def test_check_mode_changes_nothing(base: Base) -> None:
    done = base.restore(check_mode=True)
    assert done["restored"][0]["server"] and "would be restored" in done["checks"][0]["summary"]
    assert base.count() == LIVE and base.leftovers() == [] and not base.state.exists()


def test_a_dump_that_is_cut_off_changes_nothing(base: Base, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "bad.tar.gz", {"the.dump": base.dump[:-300]})
    assert "is cut off" in base.refusal(path=str(path))
    assert base.count() == LIVE and base.leftovers() == []


def test_killed_at_any_moment_the_next_run_has_the_old_data_or_the_new(
    base: Base, chance: random.Random, fault_runs: int
) -> None:
    begun = time.monotonic()
    assert start_restore(base.params()).wait(240) == 0
    longest = time.monotonic() - begun
    base.restore(state="previous")
    base.restore(state="dropped_previous")
    shape = base.shape() if isinstance(base, MariaDb) else None
    for _turn in range(fault_runs):
        process = start_restore(base.params())
        time.sleep(longest * (0.2 + 0.8 * chance.random()))
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.3)  # what a client was told, it does
        # Putting back nothing is refused, and what was left is put right before.
        repaired = base.refusal(state="previous", id="00000000")
        assert "no previous data are kept" in repaired
        if base.count() == BACKED_UP:  # the run had come to its end
            base.restore(state="previous")
        assert base.count() == LIVE
        if base.noted():
            base.restore(state="dropped_previous")
        assert base.leftovers() == [] and base.noted() == []
        if isinstance(base, MariaDb):
            assert base.shape() == shape


class Ended(BaseException):
    """The run is ended here, as by a signal."""


@pytest.mark.parametrize("kept", ["nothing", "the schema"])
@pytest.mark.parametrize("state", ["restored", "previous"])
def test_ended_before_any_table_moves_nothing_is_left(
    state: str, kept: str, mariadb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = MariaDb(tmp_path, {**mariadb_server.options, "type": "mysql", "database": "shop"})
    run = MysqlRestorer._run
    if state == "previous":
        base.restore()

    def ended(self: MysqlRestorer, statements: str) -> None:
        before, marker, _rest = statements.partition("CREATE TABLE `")
        if marker and kept == "the schema":
            run(self, before)
        if marker:
            raise Ended
        run(self, statements)

    with monkeypatch.context() as patched:
        patched.setattr(MysqlRestorer, "_run", ended)
        with pytest.raises(Ended):
            base.restore(state=state)
    assert "no previous data are kept" in base.refusal(state="previous", id="00000000")
    assert base.count() == LIVE
    if state == "previous":
        base.restore(state="dropped_previous")
    assert base.leftovers() == [] and base.noted() == []


def test_views_triggers_routines_events_and_keys_follow_the_tables(mariadb_server: Server, tmp_path: Path) -> None:
    base = MariaDb(tmp_path, {**mariadb_server.options, "type": "mysql", "database": "shop"})
    live = base.shape()
    done = base.restore()
    shape = base.shape()
    assert [row[0] for row in shape["tables"]] == ["audit", "big", "bigger", "customers", "orders"]
    assert (shape["triggers"], shape["routines"], shape["events"]) == ([["noted", "orders"]], [["twice"]], [["sweep"]])
    assert shape["keys"] == [["customers"]] and shape["schema"] == [["latin1"]]
    assert base.ask("SELECT count(*) FROM bigger;") == [[str(BACKED_UP - 100)]]
    base.ask("INSERT INTO orders VALUES (1000, 1);")
    assert base.ask("SELECT n FROM audit;") == [["1000"]]
    base.restore(state="previous", id=done["id"])
    assert base.shape() == live
    base.ask("INSERT INTO orders VALUES (1001, 1);")
    assert base.ask("SELECT n FROM audit;") == [["1001"]]
    base.restore(state="dropped_previous")


def test_a_mariadb_client_that_holds_a_table_is_ended(mariadb_server: Server, tmp_path: Path) -> None:
    base = MariaDb(tmp_path, {**mariadb_server.options, "type": "mysql", "database": "shop"})
    client = subprocess.Popen(
        [servers.program("mariadb"), "--no-defaults", f"--socket={base.spec.host}", "--user=root", f"--password={base.spec.password}", "shop"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    assert client.stdin is not None
    client.stdin.write(b"BEGIN; SELECT * FROM orders; SELECT SLEEP(60);\n")
    client.stdin.flush()
    time.sleep(0.5)
    begun = time.monotonic()
    base.restore()
    assert base.count() == BACKED_UP and time.monotonic() - begun < 15
    client.stdin.close()
    client.wait(10)
    base.restore(state="dropped_previous")


def test_a_sqlite_database_that_somebody_has_open_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    base = Sqlite(tmp_path, {"type": "sqlite", "path": str(tmp_path / "data" / "shop.db")})
    script = f"import sqlite3, sys; c = sqlite3.connect({base.spec.path!r}); c.execute('SELECT * FROM orders'); print(1, flush=True); sys.stdin.read()"
    user = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert user.stdout is not None and user.stdin is not None
    user.stdout.readline()
    assert f"process {user.pid} has it open; stop the service first" in base.refusal()
    user.stdin.close()
    user.wait(10)
    base.restore()
    assert base.count() == BACKED_UP


def test_a_sqlite_file_keeps_owner_and_mode_and_a_damaged_one_is_kept_whole(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    base = Sqlite(tmp_path, {"type": "sqlite", "path": str(tmp_path / "data" / "shop.db")})
    base.remove()
    Path(base.spec.path).write_bytes(b"no database at all" * 1000)
    if os.geteuid() == 0:
        os.chown(base.spec.path, 65534, 65534)
    os.chmod(base.spec.path, 0o640)
    done = base.restore()
    assert base.count() == BACKED_UP
    status = os.stat(base.spec.path)
    assert status.st_mode & 0o777 == 0o640 and (os.geteuid() != 0 or (status.st_uid, status.st_gid) == (65534, 65534))
    base.restore(state="previous", id=done["id"])
    assert Path(base.spec.path).read_bytes() == b"no database at all" * 1000


def test_redis_that_does_not_start_with_the_dump_gets_its_data_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with servers.redis_unit() as server:
        monkeypatch.setenv("PATH", f"{server.directory / 'bin'}:{os.environ['PATH']}")
        base = Redis(tmp_path, server)
        # As of a server that refuses the dump: the first start fails, the second, with the old data, does not.
        systemctl = server.directory / "bin" / "systemctl"
        once = f"test -e {tmp_path}/broken && rm {tmp_path}/broken && exit 1"
        systemctl.write_text(systemctl.read_text().replace("start) running ||", f"start) {once}; running ||"))
        (tmp_path / "broken").touch()
        message = base.refusal()
        assert "cannot start the unit redis-test.service" in message and message.endswith("The databases are as they were before")
        assert base.count() == LIVE and base.leftovers() == [] and base.noted() == []


def test_redis_that_does_not_let_us_in_is_not_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with servers.redis_unit() as server:
        monkeypatch.setenv("PATH", f"{server.directory / 'bin'}:{os.environ['PATH']}")
        base = Redis(tmp_path, server)
        pid = (server.directory / "pid").read_text()
        message = base.refusal(dumps=[{**base.given, "password": "hush hush"}])
        assert "the server has no password for this user; leave password out" in message and "hush" not in message
        assert base.count() == LIVE and (server.directory / "pid").read_text() == pid


def test_redis_without_a_unit_is_refused(redis_server: Server, tmp_path: Path) -> None:
    spec = spec_of(redis_server, type="redis", name="the.dump")
    path = archive_of(tmp_path / "backup.tar.gz", {"the.dump": dumped(spec)[1]})
    with pytest.raises(UpkeepError, match="give its unit"):
        restore_databases(
            restore_params(path, {**redis_server.options, "type": "redis", "name": "the.dump"}, tmp_path / "state"),
            now=utc_now(), check_mode=False,
        )
