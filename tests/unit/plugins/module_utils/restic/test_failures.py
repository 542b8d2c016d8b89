"""What restic says, in words: texts of version 0.14, exit statuses of 0.17 and later."""

from __future__ import annotations

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import failures


@pytest.mark.parametrize(
    ("returncode", "lines", "kind"),
    [
        (1, ["Fatal: wrong password or no key found"], failures.WRONG_PASSWORD),
        (12, ['{"message_type":"exit_error","code":12,"message":"Fatal: something new"}'], failures.WRONG_PASSWORD),
        (10, [], failures.NO_REPOSITORY),
        (11, ["unable to create lock"], failures.LOCKED),
        (1, ["unable to create lock in backend: repository is already locked exclusively by PID 1 on vm by root"], failures.LOCKED),
        (1, ["Resolving password failed: Fatal: /nope does not exist"], failures.NO_PASSWORD),
        (1, ["Fatal: unable to open config file: stat /srv/config: no such file or directory", "Is there a repository"],
         failures.NO_REPOSITORY),
        (1, ['Fatal: unable to open config file: client.Head: dial tcp 127.0.0.1:1: connect: connection refused',
             "Is there a repository at the following location?"], failures.UNREACHABLE),
        (1, ["subprocess ssh: ssh: Could not resolve hostname storage"], failures.UNREACHABLE),
        (1, ["subprocess ssh: backup@storage: Permission denied (publickey).", "unable to start the sftp session, error: EOF"],
         failures.REFUSED),
        (1, ["subprocess ssh: Host key verification failed.", "unable to start the sftp session, error: EOF"], failures.REFUSED),
        (1, ["Fatal: unable to open config file: Stat: Access Denied."], failures.REFUSED),
        (1, ["Fatal: unable to save snapshot: write /srv/x: no space left on device"], failures.NO_SPACE),
        (1, ["Fatal: unable to open config file: open /srv/config: permission denied"], failures.NO_RIGHT),
        (1, ["Fatal: unable to open config file: Lstat: file does not exist", "Is there a repository"], failures.NO_REPOSITORY),
        (1, ["Fatal: unable to open config file: <config/> does not exist", "Is there a repository"], failures.NO_REPOSITORY),
        (1, ["Fatal: unable to open config file: Stat: The specified key does not exist."], failures.NO_REPOSITORY),
        (1, ["Fatal: unable to open config file: open /srv/config: input/output error", "Is there a repository at the following location?"],
         failures.OTHER),
        (1, ["open /srv/locks/x: permission denied"], failures.NO_RIGHT),
        (1, ["pack 8f92: does not exist", "Fatal: repository contains errors"], failures.DAMAGED),
        (1, ["ignoring error for /a: ciphertext verification failed", "Fatal: There were 1 errors"], failures.DAMAGED),
        (1, ["Fatal: no idea"], failures.OTHER),
        (None, [], failures.OTHER),
    ],
)
def test_the_kind_of_a_failure(returncode: int | None, lines: list[str], kind: str) -> None:
    assert failures.kind_of(returncode, lines) == kind


def test_a_failure_says_what_and_what_to_do() -> None:
    found = failures.failure("/srv/restic", 1, ["warning", "Fatal: no idea what that is."])
    assert found.sentence == "/srv/restic: restic failed (restic: no idea what that is)."
    assert found.message.startswith(found.sentence) and found.message.endswith(found.hint)
    silent = failures.failure("/srv/restic", -9, [])
    assert silent.sentence == "/srv/restic: restic failed with exit status -9."
    locked = failures.failure("/srv/restic", 11, ["noise"], "process 7 of root on vm since 2026-11-22T01:43:56Z")
    assert locked.sentence == "/srv/restic: it is locked: process 7 of root on vm since 2026-11-22T01:43:56Z."


def test_the_words_of_newer_versions_are_unpacked_and_bounded() -> None:
    line = '{"message_type":"exit_error","code":1,"message":"Fatal: unable\\u001b[2J ' + "x" * 5000 + '"}'
    said = failures.own_words([line])
    assert said.startswith("unable") and "\x1b" not in said and len(said) <= 300
    assert failures.own_words(["{no json"]) == "{no json" and failures.own_words([]) == ""
