"""Which repository is meant, and that no password of it is ever shown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.repository import OPTIONS, masked, read_repository, secrets_of

GIVEN: dict[str, Any] = {
    **{name: option.get("default") for name, option in OPTIONS.items()}, "repository": "/srv/restic", "password": "geheim", "label": "x",
}


@pytest.mark.parametrize(
    ("location", "shown", "secrets"),
    [
        ("/srv/restic", "/srv/restic", ()),
        ("sftp:backup@storage:/srv/restic", "sftp:backup@storage:/srv/restic", ()),
        ("sftp://backup@storage:2222//srv/restic", "sftp://backup@storage:2222//srv/restic", ()),
        ("rest:https://user:s3cret@storage:8000/x", "rest:https://user:***@storage:8000/x", ("s3cret",)),
        ("rest:https://user:p%40ss@storage/", "rest:https://user:***@storage/", ("p%40ss", "p@ss")),
        ("rest:https://user:a:b/c@d@storage/", "rest:https://user:***@storage/", ("a:b/c@d",)),
        ("s3:https://s3.example.com/bucket", "s3:https://s3.example.com/bucket", ()),
    ],
)
def test_a_password_in_the_address_is_masked(location: str, shown: str, secrets: tuple[str, ...]) -> None:
    assert masked(location) == shown and secrets_of(location) == secrets
    repository = read_repository({**GIVEN, "repository": location})
    assert repository.subject == shown
    for secret in secrets:
        assert secret not in repository.mask(f"dial {location}: refused, {secret}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"repository": "restic"}, "neither an absolute path nor one of sftp, rest"),
        ({"repository": "ftp:host:/x"}, "neither an absolute path"),
        ({"repository": "rest"}, "neither an absolute path"),
        ({"password": None}, "give exactly one of password and password_file"),
        ({"password_file": "/etc/password"}, "give exactly one of password and password_file"),
        ({"password": " \n"}, "password: it is empty"),
        ({"password": None, "password_file": "etc/password"}, "password_file: etc/password is not absolute"),
        ({"environment": {"RESTIC_PASSWORD": "x"}}, "RESTIC_PASSWORD is set by an option of this module"),
        ({"environment": {"A=B": "x"}}, "is no name of a variable"),
        ({"extended_options": {"--repo": "x"}}, "they are called like sftp.command"),
        ({"lock_wait_seconds": -1.0}, "lock_wait_seconds: -1 is not accepted"),
    ],
)
def test_what_is_not_accepted(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_repository({**GIVEN, **options})
    assert said in caught.value.message and "geheim" not in caught.value.message


def test_no_secret_is_on_a_command_line() -> None:
    repository = read_repository({
        **GIVEN, "repository": "rest:https://user:s3cret@storage/", "environment": {"AWS_SECRET_ACCESS_KEY": "k3y"},
        "extended_options": {"s3.region": "eu"},
    })
    client = Client(repository, state_directory="/var/lib/upkeep", deadline=0.0)
    argv = client.argv(["snapshots"])
    assert argv == [
        "restic", "--option=s3.region=eu", "--cache-dir=/var/lib/upkeep/restic-cache", "--cleanup-cache", "snapshots",
    ]
    looking = Client(repository, state_directory="/var/lib/upkeep", deadline=0.0, only_looking=True)
    assert looking.argv(["snapshots"])[-3:] == ["--no-cache", "--no-lock", "snapshots"]
