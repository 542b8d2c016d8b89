"""What a host of the test platform holds, down to the byte: files, the database, the keys of Redis, and who serves them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from containers import Container

#: Runs on the host; a state is small enough to be compared whole, so that a failing test says what differs.
LOOK = r"""
import hashlib, json, os, pwd, stat, subprocess

def run(*command, user="root"):
    return subprocess.run(["runuser", "-u", user, "--", *command], check=True, stdout=subprocess.PIPE, cwd="/").stdout

def described(path):
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    words = [oct(status.st_mode), pwd.getpwuid(status.st_uid).pw_name]
    if stat.S_ISLNK(kind):
        words.append(os.readlink(path))
    elif path.endswith("/node_modules/.package-lock.json"):
        words.append("a note of npm, which has another order each time")
    elif stat.S_ISREG(kind):
        with open(path, "rb") as file:
            words.append(hashlib.sha256(file.read()).hexdigest())
        if "/node_modules/" not in path:  # npm makes these anew
            words.append(str(status.st_mtime_ns))
    return " ".join(words)

def tree(root):
    found = [root]
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if os.path.join(folder, name) != "/opt/neurosensefx/logs"]
        found += [os.path.join(folder, name) for name in folders + files]
    return {path: described(path) for path in found if os.path.lexists(path)}

def dumped(text):
    # Each dump has a password of its own against commands in it.
    return "\n".join(line for line in text.decode().splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))

def database():
    names = run("psql", "-AtXc", "select datname from pg_database where not datistemplate order by 1", user="postgres").decode().split()
    if "neurosense" not in names:
        return {"databases": names}
    count = "select (select count(*) from ticks), (select max(serial) from ticks), (select count(*) from accounts)"
    counts = run("psql", "-AtXc", count, "neurosense", user="postgres").decode().strip()
    dump = dumped(run("pg_dump", "neurosense", user="postgres"))
    roles = dumped(run("pg_dumpall", "--globals-only", user="postgres"))
    return {
        "databases": names,
        "ticks, newest, accounts": counts,
        "dump": hashlib.sha256(dump.encode()).hexdigest(),
        "roles": hashlib.sha256(roles.encode()).hexdigest(),
    }

if TREE:
    print(json.dumps({path[len(TREE):]: about for path, about in tree(TREE).items()}))
    raise SystemExit

KEYS = "local f = {} for _, k in ipairs(redis.call('KEYS', '*')) do f[#f+1] = k .. ' ' .. redis.sha1hex(redis.call('DUMP', k)) end return f"
files = {}
for root in ROOTS:
    files.update(tree(root))
keys = run("redis-cli", "eval", KEYS, "0").decode().split("\n")
print(json.dumps({"files": files, "database": database(), "keys": dict(line.split(" ") for line in keys if line)}))
"""

#: What backups of the platform hold; its logs, which are always being written, are left out.
ROOTS = (
    "/opt/neurosensefx",
    "/etc/nginx",
    "/etc/systemd/system/tick-backend.service",
    "/etc/systemd/system/neurosensefx-frontend.service",
)
SERVICES = ("tick-backend", "neurosensefx-frontend", "nginx", "redis-server")


@dataclass(frozen=True)
class State:
    """What a host holds.

    :ivar files: path → mode, owner, hash or target of the link, and time.
    :ivar database: the names of all databases, and hashes of dumps of the one that counts.
    :ivar keys: key of Redis → hash of its value.
    """

    files: dict[str, str]
    database: dict[str, object]
    keys: dict[str, str]

    def data(self) -> dict[str, object]:
        """What the database holds; databases beside it, such as those that were replaced, are left out."""
        return {name: about for name, about in self.database.items() if name != "databases"}


def state(host: Container) -> State:
    """Look at a host."""
    return State(**_look(host, ROOTS))


def tree(host: Container, root: str) -> dict[str, str]:
    """Look at one folder: path below it → mode, owner, hash or target of the link, and time."""
    return _look(host, (), root)


def _look(host: Container, roots: tuple[str, ...], tree_only: str = "") -> dict:
    return json.loads(host.sh(f"python3 -c {shlex.quote(f'ROOTS, TREE = {roots!r}, {tree_only!r}{LOOK}')}"))


def processes(host: Container) -> dict[str, str]:
    """The main process of each service: the same ones run as long as nobody stopped a service."""
    pids = host.sh(f"systemctl show --property MainPID --value {' '.join(SERVICES)}").split()
    postmaster = host.sh("head -n 1 /var/lib/postgresql/*/main/postmaster.pid").strip()
    return {**dict(zip(SERVICES, pids, strict=True)), "postgresql": postmaster}


def not_running(host: Container) -> set[str]:
    """The services that do not run. What systemd calls postgresql.service is there also when the server is not."""
    states = host.sh(f"systemctl is-active {' '.join(SERVICES)} || true").split()
    missing = {unit for unit, state in zip(SERVICES, states, strict=True) if state != "active"}
    return missing | ({"postgresql"} if host.sh("pg_isready --quiet || echo missing") else set())
