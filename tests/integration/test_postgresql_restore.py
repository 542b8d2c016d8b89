"""Restores of PostgreSQL on a real server: exchanged as a whole, kept, put back, and untouched by whatever goes wrong."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases import postgresql_restore
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_client import identifier, literal, psql
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.restoring import restore_databases
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.tests.integration import servers
from ansible_collections.upkeep.runbook.tests.integration.archives import archive_of
from ansible_collections.upkeep.runbook.tests.integration.dumps import dumped, restore_params, soon, spec_of, start_restore
from ansible_collections.upkeep.runbook.tests.integration.servers import Server

NAME = "shop's \"live\" data"
COMMENT = "it's; two\n\n-- lines\n\\! of \"text\""


class Shop:
    """A database with a backup of its first state, and a second state that is live."""

    def __init__(self, server: Server, tmp_path: Path) -> None:
        self.server = server
        self.state = tmp_path / "state"
        self.given = {**server.options, "type": "postgresql", "database": NAME, "name": "shop.pgdump"}
        self.spec = spec_of(None, **self.given)
        self.admin("CREATE ROLE keeper LOGIN;")
        self.admin(f"CREATE DATABASE {identifier(NAME)} OWNER keeper ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0;")
        self.admin(f"ALTER DATABASE {identifier(NAME)} SET work_mem = '5MB'; GRANT CREATE ON DATABASE {identifier(NAME)} TO pg_monitor;")
        self.admin(f"COMMENT ON DATABASE {identifier(NAME)} IS {literal(COMMENT)};")
        self.sql("CREATE TABLE orders AS SELECT n, 'order ' || n AS what FROM generate_series(1, 500) n; ALTER TABLE orders OWNER TO keeper;")
        self.dump = dumped(self.spec)[1]
        self.path = archive_of(tmp_path / "backup.tar.gz", {"shop.pgdump": self.dump})
        self.sql("DELETE FROM orders WHERE n > 7;")

    def admin(self, statements: str) -> list[list[str]]:
        return psql(self.spec, statements, database="postgres", doing="prepare", deadline=soon())

    def sql(self, statements: str, database: str = NAME) -> list[list[str]]:
        return psql(self.spec, statements, database=database, doing="ask", deadline=soon())

    def orders(self) -> int:
        return int(self.sql("SELECT count(*) FROM orders;")[0][0])

    def databases(self) -> list[str]:
        return sorted(row[0] for row in self.admin("SELECT datname FROM pg_database WHERE datname LIKE 'shop%';"))

    def restore(self, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
        return restore_databases(self.params(**given), now=utc_now(), check_mode=check_mode)

    def params(self, **given: Any) -> dict[str, Any]:
        return restore_params(self.path, self.given, self.state, **{"timeout_seconds": 120.0, **given})

    def refusal(self, **given: Any) -> str:
        with pytest.raises(UpkeepError) as caught:
            self.restore(**given)
        return caught.value.message

    def close(self) -> None:
        for name in self.databases():
            self.admin(f"DROP DATABASE {identifier(name)} WITH (FORCE);")
        self.admin("DROP ROLE IF EXISTS keeper;")


@pytest.fixture
def shop(postgresql_server: Server, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(postgresql_server, tmp_path)
    yield made
    made.close()


def test_restored_kept_put_back_and_dropped(shop: Shop) -> None:
    done = shop.restore()
    assert shop.orders() == 500
    previous = f"{NAME}_previous_{done['id']}"
    assert shop.databases() == sorted([NAME, previous])
    item = done["restored"][0]
    assert (item["previous"], item["existed"], item["bytes"]) == (previous, True, len(shop.dump))
    assert done["changed"] and done["checks"][0]["check"] == "database.restore" and done["status"] == "ok"
    assert shop.sql("SELECT count(*) FROM orders;", previous) == [["7"]]

    shop.restore(state="previous", id=done["id"])
    assert shop.orders() == 7
    assert shop.databases() == sorted([NAME, f"{NAME}_undone_{done['id']}"])
    assert "no previous data are kept" in shop.refusal(state="previous")

    shop.restore(state="dropped_previous")
    assert shop.databases() == [NAME] and list((shop.state / "database-restores").iterdir()) == []


def test_when_somebody_removed_the_previous_data_what_is_there_stays(shop: Shop) -> None:
    place = shop.restore()["restored"][0]["previous"]
    shop.admin(f"DROP DATABASE {identifier(place)};")
    assert "are not there any more; nothing was put back" in shop.refusal(state="previous")
    assert shop.restore(state="restored")["status"] == "ok"


def test_owner_rights_settings_and_locale_are_restored(shop: Shop) -> None:
    question = (
        "SELECT pg_get_userbyid(datdba), datcollate, datacl::text, shobj_description(d.oid, 'pg_database'),"
        " (SELECT setconfig::text FROM pg_db_role_setting WHERE setdatabase = d.oid)"
        f" FROM pg_database d WHERE datname = E'{NAME.replace(chr(39), chr(92) + chr(39))}';"
    )
    before = shop.admin(question)
    assert before[0][0] == "keeper" and "work_mem" in before[-1][-1] and before[1:]
    shop.restore(keep_previous=0)
    assert shop.databases() == [NAME]
    assert shop.admin(question) == before
    assert shop.sql("SELECT tableowner FROM pg_tables WHERE tablename = 'orders';") == [["keeper"]]


def test_a_database_that_is_not_there_is_created(shop: Shop) -> None:
    shop.admin(f"DROP DATABASE {identifier(NAME)};")
    done = shop.restore()
    assert shop.orders() == 500 and done["restored"][0]["previous"] is None
    shop.restore(state="previous")
    assert shop.databases() == [f"{NAME}_undone_{done['id']}"]


def test_check_mode_says_what_would_be_done_and_does_nothing(shop: Shop) -> None:
    done = shop.restore(check_mode=True)
    assert done["changed"] and "would be restored" in done["checks"][0]["summary"]
    assert done["restored"][0]["server"] == "PostgreSQL 15"
    assert shop.orders() == 7 and shop.databases() == [NAME] and not shop.state.exists()


def test_clients_that_come_back_at_once_do_not_stop_it(shop: Shop) -> None:
    stop = threading.Event()

    def client() -> None:
        while not stop.is_set():
            argv = ["psql", "-X", "-q", "-h", str(shop.server.directory), "-U", "postgres", "-c", "SELECT pg_sleep(2)"]
            subprocess.run(argv, env={**os.environ, "PGDATABASE": NAME}, capture_output=True, check=False)

    clients = [threading.Thread(target=client) for _number in range(3)]
    for one in clients:
        one.start()
    time.sleep(0.5)
    try:
        shop.restore()
        assert shop.orders() == 500
    finally:
        stop.set()
        shop.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(2)%' AND pid <> pg_backend_pid();")
        for one in clients:
            one.join(30)


def test_a_missing_role_is_said_and_owners_can_be_left_out(shop: Shop) -> None:
    shop.sql("ALTER TABLE orders OWNER TO postgres;")
    shop.admin(f"ALTER DATABASE {identifier(NAME)} OWNER TO postgres; DROP ROLE keeper;")
    message = shop.refusal()
    assert "a role is missing on the server; restore its globals first" in message
    assert message.endswith("The databases are as they were before")
    assert shop.orders() == 7 and shop.databases() == [NAME]
    shop.restore(owners=False)
    assert shop.orders() == 500


def test_globals_come_first_and_are_put_back(shop: Shop, tmp_path: Path) -> None:
    globals_given = {**shop.server.options, "type": "postgresql_globals", "name": "roles.sql"}
    roles = dumped(spec_of(None, **globals_given))[1]
    path = archive_of(tmp_path / "both.tar.gz", {"shop.pgdump": shop.dump, "roles.sql": roles})
    shop.admin(f"DROP DATABASE {identifier(NAME)}; DROP ROLE keeper; CREATE ROLE later;")
    done = shop.restore(path=str(path), dumps=[shop.given, globals_given])
    assert [item["name"] for item in done["restored"]] == ["roles.sql", "shop.pgdump"]
    assert shop.orders() == 500
    assert shop.admin("SELECT count(*) FROM pg_roles WHERE rolname IN ('keeper', 'later');") == [["2"]]
    kept = Path(done["restored"][0]["previous"])
    assert kept.stat().st_mode & 0o777 == 0o600
    shop.restore(state="previous", dumps=[shop.given, globals_given])
    assert NAME not in shop.databases()
    shop.restore(state="dropped_previous", dumps=[shop.given, globals_given])
    assert not kept.exists()
    shop.admin("DROP ROLE later;")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-3000], "cannot restore the PostgreSQL database"),
        (lambda data: b"", "is empty"),
        (lambda data: b"REDIS0011" + data, "is an RDB file of Redis, not a dump of pg_dump"),
    ],
    ids=["cut off", "empty", "another type"],
)
def test_a_bad_dump_changes_nothing(shop: Shop, tmp_path: Path, damage: Any, words: str) -> None:
    path = archive_of(tmp_path / "bad.tar.gz", {"shop.pgdump": damage(shop.dump)})
    assert words in shop.refusal(path=str(path))
    assert shop.orders() == 7 and shop.databases() == [NAME]


def test_a_dump_of_another_backup_is_refused(shop: Shop, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "bad.tar.gz", {"shop.pgdump": shop.dump}, listed={"shop.pgdump": b"something else"})
    assert "is not the one that its manifest lists" in shop.refusal(path=str(path))


def test_a_backup_that_is_cut_off_or_damaged_is_refused(shop: Shop) -> None:
    whole = shop.path.read_bytes()
    shop.path.write_bytes(whole[:-500])
    assert "is cut off" in shop.refusal() and shop.databases() == [NAME]
    shop.path.write_bytes(whole[:3000] + bytes([whole[3000] ^ 4]) + whole[3001:])
    assert "is damaged" in shop.refusal() and shop.databases() == [NAME]


def test_a_dump_that_is_not_there_is_named_with_those_that_are(shop: Shop) -> None:
    assert "has no dump other; its dumps: shop.pgdump" in shop.refusal(dumps=[{**shop.given, "name": "other"}])


def test_of_several_databases_all_are_restored_or_none(shop: Shop, tmp_path: Path) -> None:
    other = {**shop.given, "database": "shop second", "name": "second.pgdump"}
    path = archive_of(tmp_path / "two.tar.gz", {"shop.pgdump": shop.dump, "second.pgdump": shop.dump[:-4000]})
    assert "shop second" in shop.refusal(path=str(path), dumps=[shop.given, other])
    assert shop.orders() == 7 and shop.databases() == [NAME]


def test_a_failure_while_they_are_exchanged_puts_all_back(shop: Shop, tmp_path: Path) -> None:
    other = {**shop.given, "database": "shop second", "name": "second.pgdump"}
    path = archive_of(tmp_path / "two.tar.gz", {"shop.pgdump": shop.dump, "second.pgdump": shop.dump})
    shop.admin('CREATE DATABASE "shop second";')
    psql(shop.spec, "CREATE TABLE t (n int); BEGIN; INSERT INTO t VALUES (1);", database="shop second", doing="prepare", deadline=soon())
    real = postgresql_restore.PostgresqlRestorer.swap

    def swap(self: Any) -> None:
        if self.spec.name == "second.pgdump":
            psql(self.spec, f"CREATE DATABASE {identifier(self.previous_name)};", database="postgres", doing="prepare", deadline=soon())
        real(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgresql_restore.PostgresqlRestorer, "swap", swap)
        message = shop.refusal(path=str(path), dumps=[shop.given, other])
    assert "already exists" in message
    assert shop.orders() == 7


def test_killed_at_any_moment_the_old_data_or_the_new_are_there(shop: Shop, chance: random.Random, fault_runs: int) -> None:
    begun = time.monotonic()
    assert start_restore(shop.params()).wait(240) == 0
    longest = time.monotonic() - begun
    shop.restore(state="previous")
    shop.restore(state="dropped_previous")
    for _turn in range(fault_runs):
        process = start_restore(shop.params())
        time.sleep(longest * (0.3 + 0.7 * chance.random()))
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.3)  # what psql was told, it does
        assert shop.orders() in (7, 500)
        shop.restore()  # also puts right what was left
        assert shop.orders() == 500
        shop.restore(state="previous")
        shop.restore(state="dropped_previous")
        assert shop.orders() in (7, 500) and shop.databases() == [NAME]
        shop.sql("DELETE FROM orders WHERE n > 7;")
    assert list((shop.state / "database-restores").iterdir()) == []


def test_a_server_that_is_killed_in_the_middle_leaves_the_old_data(tmp_path: Path) -> None:
    with servers.postgresql() as server:
        shop = Shop(server, tmp_path)

        def killed(self: Any, kept: Any) -> None:
            real(self, kept)
            server.stop(kill=True)

        real = postgresql_restore.PostgresqlRestorer.stage
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(postgresql_restore.PostgresqlRestorer, "stage", killed)
            message = shop.refusal()
        assert "the server does not answer" in message and "The next run tries again" in message
        server.start()
        assert shop.orders() == 7
        done = shop.restore()
        assert "was removed; the data are those before it" in done["repaired"][0]
        assert shop.orders() == 500 and len(shop.databases()) == 2
