"""How a platform is lost, and how its data goes on changing after a backup."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from containers import Container

APPLICATION = "/opt/neurosensefx"
BACKEND = f"{APPLICATION}/services/tick-backend/server.js"

#: Waits until there is one more database, and kills PostgreSQL with all its processes. One that outlives the first would let systemd
#: wait for an hour: in a container nobody tells it that the last one has gone.
KILL_POSTGRESQL = """
cd /var/lib/postgresql/*/main/base || exit 1
set -- *
there=$#
while set -- *; [ $# -le $there ]; do :; done
server=$(head -n 1 ../postmaster.pid)
kill -KILL $server $(pgrep --parent $server)
"""


def psql(host: Container, statement: str, database: str = "neurosense") -> str:
    """Let PostgreSQL do something."""
    return host.sh(f"runuser -u postgres -- psql -AtXq -v ON_ERROR_STOP=1 {database} <<'SQL'\n{statement}\nSQL").strip()


def go_on(host: Container) -> None:
    """Change files, rows and keys, as a day of work would; all of it goes on being healthy."""
    psql(
        host,
        "insert into ticks (symbol, bid, at) select 'EURUSD', 1.1, now() from generate_series(1, 50);"
        "update accounts set owner = 'somebody else' where id = 7;"
        "delete from ticks where serial <= 10;",
    )
    host.sh("redis-cli set price:1 changed && redis-cli set price:new 1 && redis-cli del queue:orders && redis-cli save")
    host.sh(f"cd {APPLICATION}/dist && echo '// a change' >> ticks.js && echo new > new.txt && rm -f robots.txt")


def drop_databases(host: Container) -> None:
    """Drop the database under its users, and all that recoveries have kept beside it."""
    for name in psql(host, "select datname from pg_database where datname like 'neurosense%'", database="postgres").split():
        psql(host, f"drop database {name} with (force)", database="postgres")


def destroy(host: Container) -> None:
    """Lose the application, the database, the keys and the configuration of nginx."""
    host.sh(f"rm -rf {APPLICATION}")
    drop_databases(host)
    host.sh("redis-cli flushall && redis-cli save")
    host.sh("echo 'server { listen }' > /etc/nginx/nginx.conf && rm -r /etc/nginx/snippets")


def lay_bare(host: Container) -> None:
    """Leave nothing of the platform on a host but the Debian packages, the users, the certificates and the backups."""
    host.sh("systemctl disable --now tick-backend neurosensefx-frontend && systemctl stop nginx")
    destroy(host)
    psql(host, "drop role neurosense", database="postgres")
    host.sh("rm /etc/systemd/system/tick-backend.service /etc/systemd/system/neurosensefx-frontend.service && systemctl daemon-reload")
    host.sh("rm -r /etc/nginx/* /var/lib/upkeep")


@contextmanager
def postgresql_killed_in_restore(host: Container) -> Iterator[None]:
    """Kill PostgreSQL as soon as somebody creates a database."""
    # A server that was killed leaves a gap of up to 32 numbers in a sequence that was used since the last checkpoint.
    psql(host, "checkpoint")
    command = ["podman", "exec", host.name, "sh", "-c", KILL_POSTGRESQL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as killer:
        try:
            yield
            assert killer.wait(10) == 0, "nobody created a database"
        finally:
            killer.kill()
