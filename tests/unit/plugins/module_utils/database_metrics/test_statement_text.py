"""No value of a statement is ever told, however it is written."""

from __future__ import annotations

import random

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.statement_text import statement_head

SECRET = "hush4711"


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("SELECT * FROM t WHERE id = 42", "SELECT * FROM t WHERE id = ?"),
        ("update t set a='x''y',b = E'z' where `c` = \"q\"", "update t set a=?,b = ? where `c` = ?"),
        ("SELECT $1, $2::text", "SELECT $1, $2::text"),
        ("  /* page 7 */ ( SELECT 1.5e3 )", "SELECT ? )"),
        ("SELECT a FROM t -- of hush4711", "SELECT a FROM t …"),
        ("SELECT a # hush4711", "SELECT a …"),
        ("SELECT a /* hush4711 */ FROM t", "SELECT a …"),
        ("SELECT 'it\\'s hush4711'", "SELECT …"),
        ("SELECT $$hush4711$$", "SELECT …"),
        ("SELECT $a$hush4711$a$", "SELECT …"),
        ("SELECT 'hush4711", "SELECT …"),
        ("SELECT 1; SET app.token = hush4711", "SELECT ? …"),
        ("SELECT 1 ;;\n", "SELECT ?"),
        ("SELECT \"hush4711", "SELECT …"),
        ("CREATE ROLE r PASSWORD 'hush4711'", "CREATE …"),
        ("alter user x identified by 'hush4711'", "ALTER …"),
        ("SET hush4711 = 1", "SET …"),
        ("COPY t FROM STDIN", "COPY …"),
        ("hush4711", "…"),
        ("", "…"),
        ("\x00\x1b[31mhush4711", "…"),
        ("/* /* */ hush4711 */ SELECT 1", "…"),
        ("SELECT tabelle FROM größe", "SELECT tabelle FROM größe"),
    ],
)
def test_the_shape_without_values(text: str, head: str) -> None:
    assert statement_head(text) == head


def test_it_is_short_and_one_printable_line() -> None:
    head = statement_head("SELECT " + ",\n\t".join(f"column_{n}" for n in range(500)) + "\x1b[31m")
    assert len(head) <= 120 and head.isprintable() and head.startswith("SELECT column_0, column_1")


def test_a_value_is_hidden_wherever_a_statement_was_cut() -> None:
    """The server cuts statements, in the middle of a value, too."""
    whole = f"INSERT INTO t (a, b) VALUES ('{SECRET}', E'{SECRET}', \"{SECRET}\", $q${SECRET}$q$, X'{SECRET}') /* {SECRET} */ -- {SECRET}"
    for length in range(len(whole)):
        assert SECRET[:4] not in statement_head(whole[:length])


def test_a_value_is_hidden_among_anything() -> None:
    chance = random.Random(7)
    for _number in range(2000):
        noise = "".join(chance.choice(" ,()=x\n#") for _sign in range(chance.randrange(8)))
        quote = chance.choice(["'", '"'])
        text = f"SELECT {noise}{quote}{SECRET}{quote}{noise} FROM t WHERE a = {quote}{SECRET}{quote}"
        assert SECRET not in statement_head(text), text
