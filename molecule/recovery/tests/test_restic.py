"""Backups with restic, whose repository is on another machine that is reached over sftp: a bare host becomes the platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from containers import Container
from destroying import go_on, lay_bare
from states import SERVICES, not_running, state
from upkeep_run import CONFIRMED, DESCRIPTION, Run

PASSWORD_FILE = "/etc/restic-password"


@pytest.fixture
def restic(app: Container, second: Container) -> Iterator[dict[str, Any]]:
    """The platform whose backups go to the second machine, where root of the first one may log in as upkeep."""
    app.sh(
        "install -d -m 700 /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519"
        f" && ssh-keyscan -t ed25519 {second.name} 2>/dev/null > /root/.ssh/known_hosts"
        f" && umask 077 && echo correct horse battery staple > {PASSWORD_FILE}"
    )
    key = app.sh("cat /root/.ssh/id_ed25519.pub").strip()
    second.sh(f"cp -p /etc/ssh/upkeep_keys /etc/ssh/upkeep_keys.usual && echo '{key}' >> /etc/ssh/upkeep_keys && systemctl reload ssh")
    platform = deepcopy(DESCRIPTION)
    application, configuration, _logs = platform["backup"]["sources"]
    application["exclude"].remove("logs")  # restic has one list for a folder and for what is in it
    platform["backup"] |= {
        "sources": [application, configuration],
        "engine": "restic",
        "restic": {"repository": f"sftp:upkeep@{second.name}:/home/upkeep/restic", "password_file": PASSWORD_FILE},
    }
    yield {"upkeep_platform": platform}
    app.sh(f"rm -rf /root/.ssh {PASSWORD_FILE} /var/lib/upkeep/restic.json")
    second.sh("mv /etc/ssh/upkeep_keys.usual /etc/ssh/upkeep_keys && rm -rf /home/upkeep/restic")


def test_bare_host_becomes_the_platform(
    app: Container, second: Container, well: Callable[..., Run], restic: dict[str, Any]
) -> None:
    well("backup", backups_restic_init=True, **restic)
    assert second.sh("ls /home/upkeep/restic/snapshots").split()
    then = state(app)
    go_on(app)
    lay_bare(app)
    well("disaster_recovery", **CONFIRMED, **restic)
    now = state(app)
    assert (now.files, now.data(), now.keys) == (then.files, then.data(), then.keys)
    assert not_running(app) == set()
    assert app.sh(f"systemctl is-enabled {' '.join(SERVICES)}").split() == ["enabled"] * len(SERVICES)
