"""The host this endpoint runs on: its processes, its services, and the endpoint itself."""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal

import psutil

from shared import VERSION
from shared.tools import Meta, ToolContext, ToolError, tool

Limit = Annotated[int, Meta(ge=1, le=500)]


@dataclass
class Process:
    """One running process. `cpu_seconds` is the processor time it has used since it started."""

    id: int
    name: str
    status: str
    cpu_seconds: float
    memory_bytes: int
    started: datetime | None


@tool(title="List processes", read_only=True, open_world=False)
def get_process(
    name: str = "*",
    sort: Literal["cpu", "memory", "name", "id"] = "cpu",
    limit: Limit = 25,
) -> list[Process]:
    """List running processes, the busiest first.

    Args:
        name: Only processes whose name matches; * and ? are wildcards, case does not matter.
        sort: cpu and memory put the largest first, name and id the smallest.
        limit: How many to return at most.
    """
    processes = []
    for process in psutil.process_iter(
        ["name", "status", "cpu_times", "memory_info", "create_time"]
    ):
        info = process.info
        # A name may hold bytes that are not text; they must not hide the other processes.
        shown = (info["name"] or "").encode(errors="replace").decode()
        if not fnmatch(shown.lower(), name.lower()):
            continue
        times, memory, created = info["cpu_times"], info["memory_info"], info["create_time"]
        processes.append(
            Process(
                id=process.pid,
                name=shown,
                status=info["status"] or "unknown",
                cpu_seconds=round(times.user + times.system, 2) if times else 0.0,
                memory_bytes=memory.rss if memory else 0,
                started=datetime.fromtimestamp(created, UTC) if created else None,
            )
        )
    keys = {
        "cpu": lambda p: -p.cpu_seconds,
        "memory": lambda p: -p.memory_bytes,
        "name": lambda p: p.name.lower(),
        "id": lambda p: p.id,
    }
    return sorted(processes, key=keys[sort])[:limit]


@dataclass
class Service:
    """One service of the host. `status` is what the service manager calls its state."""

    name: str
    display_name: str
    status: str


@tool(title="List services", read_only=True, open_world=False)
def get_service(
    context: ToolContext,
    name: str = "*",
    status: Literal["running", "stopped"] | None = None,
    limit: Limit = 100,
) -> list[Service]:
    """List the services of the host: systemd units on Linux, Windows services on Windows.

    Args:
        name: Only services whose name matches; * and ? are wildcards, case does not matter.
        status: Only services in this state; leave it out for all.
        limit: How many to return at most.
    """
    services = [
        service
        for service in _services(context.remaining())
        if fnmatch(service.name.lower(), name.lower()) and status in (None, service.status)
    ]
    return sorted(services, key=lambda service: service.name.lower())[:limit]


def _services(seconds: float) -> list[Service]:
    if sys.platform == "win32":
        return [
            Service(service.name(), service.display_name(), service.status())
            for service in psutil.win_service_iter()
        ]
    if Path("/run/systemd/system").is_dir():
        return parse_systemctl(_systemctl(seconds))
    raise ToolError("Services are not supported on this host: it runs neither systemd nor Windows.")


def _systemctl(seconds: float) -> str:
    command = ["systemctl", "list-units", "--type=service", "--all", "--plain", "--no-legend"]
    environment = {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"}
    try:
        run = subprocess.run(
            [*command, "--no-pager", "--full"],
            capture_output=True,
            text=True,
            timeout=max(1.0, seconds - 1),
            check=True,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        raise ToolError("The service manager of this host did not answer.") from None
    return run.stdout


def parse_systemctl(output: str) -> list[Service]:
    """Services from `systemctl list-units --plain --no-legend`: unit, load, active, sub, text."""
    services = []
    for line in output.splitlines():
        columns = line.split(maxsplit=4)
        if len(columns) >= 4 and columns[0].endswith(".service"):
            unit, _, active, sub = columns[:4]
            stopped = active in ("inactive", "failed")
            status = "running" if sub == "running" else "stopped" if stopped else sub
            description = columns[4] if len(columns) == 5 else unit
            services.append(Service(unit.removesuffix(".service"), description, status))
    return services


@dataclass
class EndpointStatus:
    """The process that answers. Memory in bytes, uptime in seconds."""

    version: str
    python: str
    system: str
    process_id: int
    uptime_seconds: int
    memory_bytes: int
    threads: int
    time: datetime


@tool(title="Endpoint status", read_only=True, open_world=False)
def get_endpoint_status() -> EndpointStatus:
    """Tell how this endpoint is doing: version, uptime, memory and the time on its clock."""
    process = psutil.Process()
    with process.oneshot():
        now = datetime.now(UTC)
        return EndpointStatus(
            version=VERSION,
            python=platform.python_version(),
            system=f"{platform.system()} {platform.release()}",
            process_id=process.pid,
            uptime_seconds=int(now.timestamp() - process.create_time()),
            memory_bytes=process.memory_info().rss,
            threads=process.num_threads(),
            time=now,
        )
