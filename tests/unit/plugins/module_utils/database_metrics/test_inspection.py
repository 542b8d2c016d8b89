"""What is said of a server that could not be asked: it is down, or only this user is refused."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.inspection import is_down
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.redis_look import LOADING


@pytest.mark.parametrize(
    ("said", "down"),
    [
        ('connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory', True),
        ("connection to server failed: FATAL: sorry, too many clients already", True),
        ("connection to server failed: FATAL: the database system is starting up", True),
        ("ERROR 2002 (HY000): Can't connect to local server through socket '/run/x.sock' (2)", True),
        ("ERROR 2002 (HY000): Can't connect to server on '127.0.0.1' (111)", True),
        ("ERROR 2002 (HY000): Can't connect to server on '127.0.0.1' (115)", True),
        ("ERROR 1040 (HY000): Too many connections", True),
        ("Could not connect to Redis at 127.0.0.1:6379: Connection refused", True),
        ("ERR max number of clients reached", True),
        (f"cannot look at the Redis data: {LOADING}", True),
        ("could not connect to server: No such file or directory", True),
        ("Could not connect to Redis at /run/redis.sock: No such file or directory", True),
        ('connection to server failed: FATAL: too many connections for database "x"', True),
        ('connection to server failed: FATAL: too many connections for role "monitor"', False),
        ('connection to server at "x" failed: could not open certificate file "/x": No such file or directory', False),
        ("cannot start /usr/bin/psql: No such file or directory", False),
        ('connection to server failed: FATAL: permission denied for database "x"', False),
        ("ERROR 2002 (HY000): Can't connect to local server through socket '/run/x.sock' (13)", False),
        ("Could not connect to Redis at nowhere:6379: Name or service not known", False),
        ("the server refuses the user or the password", False),
        ("psql was not done in time", False),
        ("the program psql is not on this host", False),
    ],
)
def test_a_server_that_is_down(said: str, down: bool) -> None:
    assert is_down(said) == down
