"""How clients are run, and what is made of what they say."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases import postgresql_client
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_errors import failure
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.client_processes import (
    ClientCall,
    ClientResult,
    account_of,
    find_program,
    run_client,
    secret_file,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import DumpSpec
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

SPEC = DumpSpec("d", "postgresql", database="shop", password="hush hush")


def python(script: str, **given: object) -> ClientCall:
    return ClientCall((sys.executable, "-c", script), **given)  # type: ignore[arg-type]


def soon() -> float:
    return time.monotonic() + 30


def test_megabytes_flow_both_ways() -> None:
    def source() -> Iterator[bytes]:
        for _number in range(300):
            yield b""
            yield b"x" * 10_000

    parts: list[bytes] = []
    copy = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    result = run_client(python(copy), deadline=soon(), source=source(), sink=parts.append)
    assert result.returncode == 0 and sum(map(len, parts)) == 3_000_000


def test_a_client_that_does_not_want_all_its_input_is_no_error() -> None:
    result = run_client(python("print('enough')"), deadline=soon(), source=iter([b"x" * 100_000] * 20))
    assert (result.returncode, result.output) == (0, b"enough\n")


def test_what_a_client_says_is_bounded_and_keeps_its_ends() -> None:
    script = "import sys\nsys.stderr.write('first error\\n')\nfor n in range(20000): sys.stderr.write('noise ' * 5 + '\\n')\nsys.stderr.write('last')"
    said = run_client(python(script), deadline=soon()).said
    assert said.startswith("first error") and said.endswith("last") and len(said) < 100_000


def test_what_the_reader_raises_ends_the_client() -> None:
    def full(chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    begun = time.monotonic()
    with pytest.raises(OSError, match="No space"):
        run_client(python("import time\nprint(1, flush=True)\ntime.sleep(60)"), deadline=soon(), sink=full)
    assert time.monotonic() - begun < 25


def test_the_deadline_ends_a_client() -> None:
    result = run_client(python("import time\ntime.sleep(60)"), deadline=time.monotonic() + 0.3)
    assert result.timed_out and result.returncode == -9


def test_the_environment_is_only_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "of somebody else")
    monkeypatch.setenv("LD_PRELOAD_NOT", "x")
    script = "import os; print(sorted(key for key in os.environ if key.startswith(('PG', 'LD_', 'LC_ALL'))))"
    result = run_client(python(script, environment={"PGUSER": "u"}), deadline=soon())
    assert result.output == b"['LC_ALL', 'PGUSER']\n"


def test_a_secret_is_in_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with secret_file("hush hush", "") as (path, descriptor):
        call = python(f"import os; print(open('{path}').read(), oct(os.stat('{path}').st_mode & 0o777))", descriptors=(descriptor,))
        assert run_client(call, deadline=soon()).output == b"hush hush 0o600\n"
    assert os.listdir(tmp_path) == []
    with pytest.raises(OSError):
        os.fstat(descriptor)


def test_a_program_that_is_not_there_is_named_with_its_package(tmp_path: Path) -> None:
    with pytest.raises(UpkeepError, match=r"the program pg_dump is not in /.*; install it \(Debian: apt install postgresql-client\)"):
        find_program(("pg_dump",), str(tmp_path), "postgresql-client")
    assert find_program(("nothing-like-this", "sh"), "", "x").endswith("/sh")


def test_programs_that_make_backups_keep_their_names_on_the_server(tmp_path: Path) -> None:
    """Whoever looks for long statements leaves them out by their names."""
    names = {}
    for program in ("psql", "pg_dump", "pg_restore"):
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
        with postgresql_client.client_call(replace(SPEC, binary_directory=str(tmp_path)), program, []) as call:
            names[program] = call.environment.get("PGAPPNAME")
    assert names == {"psql": "upkeep.runbook", "pg_dump": None, "pg_restore": None}


def test_a_user_that_is_not_there_is_named() -> None:
    with pytest.raises(UpkeepError, match="run_as: there is no user nobody-of-this-name on this host"):
        account_of("nobody-of-this-name")
    assert account_of("") is None


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ('FATAL:  password authentication failed for user "x"', "the server refuses the user or the password"),
        ("ERROR 1045 (28000): Access denied for user 'x'@'localhost'", "the server refuses the user or the password"),
        ("NOAUTH Authentication required.", "the server refuses the user or the password"),
        ('FATAL:  Peer authentication failed for user "x"', "check user, run_as and pg_hba.conf"),
        ('connection to server failed: FATAL:  role "monitor" does not exist', "the server has no such user; check user"),
        ("connection to server at 1.2.3.4 failed: Connection refused", "the server does not answer; is it running"),
        ("ERROR 2002 (HY000): Can't connect to local server through socket", "the server does not answer; is it running"),
        ("pg_dump: error: aborting because of server version mismatch", "install the newer client"),
        ("pg_restore: error: unsupported version (1.15) in file header", "install the newer client"),
        ('FATAL:  database "x" does not exist', "there is no such database"),
        ('pg_restore: error: could not execute query: ERROR:  role "x" does not exist', "restore its globals first"),
        ("ERROR:  could not extend file: No space left on device", "a disk is full; make room"),
        ("something nobody has seen", "pg_dump ended with status 3"),
    ],
)
def test_what_a_client_says_becomes_advice(said: str, advice: str) -> None:
    message = failure(SPEC, "dump", "/usr/bin/pg_dump", ClientResult(3, b"", said)).message
    assert message.startswith("cannot dump the PostgreSQL database shop: ") and advice in message
    assert said.split(":")[-1].strip().rstrip(".") in message


def test_a_password_that_a_client_prints_is_not_shown() -> None:
    message = failure(SPEC, "dump", "psql", ClientResult(1, b"", 'error: "hush hush" is no option')).message
    assert "hush" not in message and "********" in message


def test_the_error_is_found_among_notices() -> None:
    said = "NOTICE: a\nNOTICE: b\n" * 10 + "ERROR:  the cause\nDETAIL: more\n"
    message = failure(SPEC, "restore", "psql", ClientResult(1, b"", said)).message
    assert "the cause" in message and "NOTICE" not in message
