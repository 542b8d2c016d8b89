"""Names and texts of any kind, as each server and its client quotes them."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases import mysql_client, postgresql_client
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_client import _unescaped
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.mysql_loading import refuse_elsewhere
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.postgresql_archive import _parts, statements_of
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.scratch import LEFTOVER_SECONDS, is_leftover, scratch_name
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.unnamed_files import kept_aside
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


@pytest.mark.parametrize(
    ("name", "identifier", "literal", "connection"),
    [
        ("shop", '"shop"', " E'shop'", "dbname='shop'"),
        ("it's", '"it\'s"', " E'it\\'s'", "dbname='it\\'s'"),
        ('a"b', '"a""b"', " E'a\"b'", "dbname='a\"b'"),
        ("a\\", '"a\\"', " E'a\\\\'", "dbname='a\\\\'"),
        ("host=evil", '"host=evil"', " E'host=evil'", "dbname='host=evil'"),
    ],
)
def test_postgresql(name: str, identifier: str, literal: str, connection: str) -> None:
    assert postgresql_client.identifier(name) == identifier
    assert postgresql_client.literal(name) == literal
    assert postgresql_client.connection_string(name) == connection


def test_mysql() -> None:
    assert mysql_client.identifier("a`b") == "`a``b`"
    assert mysql_client.literal("it's \\") == "CONVERT(X'69742773205c' USING utf8mb4)"
    assert mysql_client.literal("") == "''"


@pytest.mark.parametrize(("value", "text"), [("a\\tb\\nc", "a\tb\nc"), ("\\\\n", "\\n"), ("plain", "plain"), ("end\\", "end\\")])
def test_what_the_client_of_mysql_escaped(value: str, text: str) -> None:
    assert _unescaped(value) == text


SCRIPT = """
--
-- Name: shop; Type: DATABASE; Schema: -; Owner: x
--

\\restrict abc
SET statement_timeout = 0;
SET transaction_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE DATABASE "it's; -- odd" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';


ALTER DATABASE "it's; -- odd" OWNER TO "x-y";

\\unrestrict abc
\\connect -reuse-previous=on "dbname='it''s; -- odd'"
COMMENT ON DATABASE "it's; -- odd" IS 'two;

-- lines
\\! it''s';
ALTER DATABASE "it's; -- odd" SET work_mem TO '5MB';
"""


def test_statements_are_told_from_comments_and_commands() -> None:
    how, properties = _parts(SCRIPT)
    assert how == " WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C'"
    assert properties == (
        'ALTER DATABASE "it\'s; -- odd" OWNER TO "x-y";\n'
        "COMMENT ON DATABASE \"it's; -- odd\" IS 'two;\n\n-- lines\n\\! it''s';\n"
        "ALTER DATABASE \"it's; -- odd\" SET work_mem TO '5MB';\n"
    )
    assert len(statements_of(SCRIPT)) == 7
    assert _parts("") == ("", "")


@pytest.mark.parametrize("line", [b"USE `mysql`;", b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `mysql`", b"/*!40000 CREATE DATABASE `x`"])
@pytest.mark.parametrize("before", [b"", b"x" * (256 * 1024 - 3) + b"\n"])
def test_a_dump_that_chooses_its_databases_is_refused(line: bytes, before: bytes) -> None:
    spec = DumpSpec("d", "mysql", database="shop")
    with kept_aside([before + line + b"\n"], None) as kept, pytest.raises(UpkeepError, match="made with --databases"):
        refuse_elsewhere(spec, kept)


def test_data_that_only_look_so_are_not() -> None:
    spec = DumpSpec("d", "mysql", database="shop")
    with kept_aside([b"INSERT INTO t VALUES ('USE `x`'),('\\nCREATE DATABASE ');\n-- USE `x`\n"], None) as kept:
        refuse_elsewhere(spec, kept)


def test_a_scratch_database_says_how_old_it_is() -> None:
    name = scratch_name("shop")
    assert not is_leftover(name, "shop")
    old = f"shop_drill_{int(name[-8:], 16) - LEFTOVER_SECONDS - 10:08x}"
    assert is_leftover(old, "shop")
    assert not is_leftover(old, "sho") and not is_leftover("shop_drill_zz", "shop") and not is_leftover("shop", "shop")
