"""Which paths come back: wildcards stand for what the backup has, and what it has nothing of is said."""

from __future__ import annotations

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.targets import resolve_targets

MEMBERS = [Member(f"files/{name}", "file") for name in ("etc/a.conf", "etc/b.conf", "etc/sub/c.conf", "etc/d.txt", "opt/app", "opt/app/x")]


def test_wildcards_stand_for_what_the_backup_has_at_that_depth() -> None:
    assert resolve_targets(["/opt/app", "/etc/*.conf"], MEMBERS) == (["/opt/app", "/etc/a.conf", "/etc/b.conf"], [])


def test_what_the_backup_does_not_hold_is_told() -> None:
    members = [*MEMBERS, Member("files/srv/app2/x", "file"), Member("dumps/srv", "file"), Member("other/var", "file")]
    assert resolve_targets(["/srv/app", "/etc/*.none", "/var", "/opt/app"], members) == (["/opt/app"], ["/srv/app", "/etc/*.none", "/var"])


def test_the_manifest_is_read_no_further_than_needed() -> None:
    def members() -> object:
        yield MEMBERS[4]
        raise AssertionError("read on")

    assert resolve_targets(["/opt/app"], members()) == (["/opt/app"], [])
