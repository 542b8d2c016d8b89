"""Each way in which a service can be broken gets its own line in the report, and no other line changes but that of its listener.

Each test finds exactly what it broke, so the next one proves that nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Callable

from containers import Container
from upkeep_run import FAILED, Run

APP = "nsfx-app-1"


def of_tick_backend(status: str, *checks: str) -> set[tuple[str, str, str, str]]:
    return {(APP, check, "tick-backend", status) for check in checks}


def test_stopped_service(daily: Callable[..., Run], app: Container) -> None:
    with app.stopped("tick-backend.service"):
        run = daily()
    broken = of_tick_backend("critical", "service.unit", "service.port", "service.http", "service.websocket")
    broken.add((APP, "port.missing", "tcp *:8081", "critical"))
    assert (run.problems(), run.health, run.status) == (broken, "UNHEALTHY", FAILED), run.output


def test_http_500_and_a_handshake_with_a_wrong_key(daily: Callable[..., Run], app: Container) -> None:
    """It runs and listens, and what it answers is wrong."""
    with app.faults(health_status=500, websocket_accept="c29tZXRoaW5nIGVsc2UgYWx0b2c="):
        run = daily()
    broken = of_tick_backend("critical", "service.http", "service.websocket")
    assert (run.problems(), run.health, run.status) == (broken, "UNHEALTHY", FAILED), run.output
    assert "500" in run.summary("service.http", "tick-backend")
    assert "Sec-WebSocket-Accept" in run.summary("service.websocket", "tick-backend")


def test_listener_of_another_process(daily: Callable[..., Run], app: Container) -> None:
    """It runs the very code of tick-backend and answers like it; only it is not the unit that should listen."""
    impostor = "--uid=neurosense --property=EnvironmentFile=/opt/neurosensefx/.env --unit=impostor"
    with app.stopped("tick-backend.service"):
        app.sh(f"systemd-run --quiet --collect {impostor} node /opt/neurosensefx/services/tick-backend/server.js")
        try:
            app.wait_for_services()
            run = daily()
        finally:
            app.sh("systemctl stop impostor.service")
    broken = of_tick_backend("critical", "service.unit", "service.port")
    broken |= {(APP, "port.unexpected", "tcp 127.0.0.1:8081", "critical"), (APP, "port.changed", "tcp 127.0.0.1:8081", "warning")}
    assert (run.problems(), run.health, run.status) == (broken, "UNHEALTHY", FAILED), run.output
    assert "unit tick-backend.service was expected" in run.summary("service.port", "tick-backend")


def test_upstream_that_is_gone(daily: Callable[..., Run], app: Container) -> None:
    """The cause (upstream) and the effect (health) are both named."""
    with app.stopped("upstream-standin.service"):
        run = daily()
    broken = {(APP, "service.tcp", "tick-backend upstream", "critical"), *of_tick_backend("critical", "service.http")}
    broken.add((APP, "port.missing", "tcp 127.0.0.1:5035", "warning"))
    assert (run.problems(), run.health, run.status) == (broken, "UNHEALTHY", FAILED), run.output


def test_nothing_is_left_of_it(daily: Callable[..., Run]) -> None:
    run = daily()
    assert (run.problems(), run.health, run.status) == (set(), "HEALTHY", 0), run.output
