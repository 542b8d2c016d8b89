"""What can go wrong on the test platform, as context managers: inside it is broken, afterwards it is as before."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from containers import Container

LIVE = "/etc/letsencrypt/live"
SITE = "www.neurosensefx.example"
SPARES = "/opt/certificates"
BACKUPS = "/opt/backups/neurosensefx"
KEPT_BACKUPS = "/opt/kept_backups"
ADVISORIES = "/opt/registry-standin/advisories.json"
REGISTRY_FAULT = "/etc/registry-standin/fault"

#: Unpacks the newest backup into $work/backup_<date>, and $newest is its path.
UNPACK = f"""
set -e
newest=$(ls {BACKUPS}/comprehensive_backup_*.tar.gz | tail -n 1)
work=$(mktemp -d)
tar -xzf $newest -C $work
cd $work/backup_*
"""
#: Packs it again, with the time that it had.
PACK = "touch -r $newest $work/time && tar -czf $newest -C $work $(basename $PWD) && touch -r $work/time $newest && rm -r $work"


@contextmanager
def another_certificate(host: Container, name: str, certificate: str, key: str) -> Iterator[None]:
    """Let certbot have another name, with a certificate and a key of the spare ones."""
    folder = f"{LIVE}/{name}"
    host.sh(
        f"mkdir {folder} && ln -s {SPARES}/{certificate}/fullchain.pem {folder}/fullchain.pem"
        f" && ln -s {SPARES}/{key}/privkey.pem {folder}/privkey.pem"
    )
    try:
        yield
    finally:
        host.sh(f"rm -r {folder}")


@contextmanager
def renewed_certificate(host: Container) -> Iterator[None]:
    """Let the site have a new certificate, of which nginx was not told."""
    for kind in ("fullchain", "privkey"):
        host.sh(f"ln -sfn {SPARES}/renewed/{kind}.pem {LIVE}/{SITE}/{kind}.pem")
    try:
        yield
    finally:
        for kind in ("fullchain", "privkey"):
            host.sh(f"ln -sfn ../../archive/{SITE}/{kind}1.pem {LIVE}/{SITE}/{kind}.pem")


@contextmanager
def advisory(host: Container, **about: Any) -> Iterator[None]:
    """Let the registry know of a vulnerable package."""
    known = host.sh(f"cat {ADVISORIES}")
    content = json.loads(known)
    write(host, ADVISORIES, json.dumps({**content, "advisories": [*content["advisories"], about]}))
    try:
        yield
    finally:
        write(host, ADVISORIES, known)


@contextmanager
def registry_fault(host: Container, fault: str) -> Iterator[None]:
    """Let the registry misbehave."""
    with file(host, REGISTRY_FAULT, fault):
        yield


@contextmanager
def sink_fault(host: Container, sink: str, fault: str) -> Iterator[None]:
    """Let the mail server (`mail`) or the chat (`chat`) misbehave."""
    with file(host, f"/var/lib/sinks/{sink}/fault", fault):
        yield


@contextmanager
def no_backup_for_days(host: Container, days: int) -> Iterator[None]:
    """Let the newest backups be gone, those of the last days."""
    host.sh(f"mkdir -m 700 /opt/aside && mv $(ls {BACKUPS}/*.tar.gz | tail -n {days}) /opt/aside")
    try:
        yield
    finally:
        host.sh(f"mv /opt/aside/* {BACKUPS} && rmdir /opt/aside")


@contextmanager
def newest_backup(host: Container, change: str) -> Iterator[None]:
    """Let the newest backup be another one: a shell script changes what was in it, in its folder."""
    newest = host.sh(f"ls {BACKUPS}/*.tar.gz | tail -n 1").strip()
    host.sh(f"cp -p {newest} /opt/good_backup")
    host.sh(f"{UNPACK}{change}\n{PACK}")
    try:
        yield
    finally:
        host.sh(f"mv /opt/good_backup {newest}")


@contextmanager
def file(host: Container, path: str, content: str) -> Iterator[None]:
    """Let there be a file that was not there."""
    write(host, path, content)
    try:
        yield
    finally:
        host.sh(f"rm {path}")


@contextmanager
def mode(host: Container, path: str, changed: str, usual: str) -> Iterator[None]:
    """Let a path have other rights."""
    host.sh(f"chmod {changed} {path}")
    try:
        yield
    finally:
        host.sh(f"chmod {usual} {path}")


def write(host: Container, path: str, content: str) -> None:
    """Write a file on a host."""
    host.sh(f"printf %s {shlex.quote(content)} > {path}")
