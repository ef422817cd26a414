"""A machine of its own whose process 1 is systemd: this root below an overlay, in namespaces of its own.

Nothing of it stays: what is written there goes into memory, its network is a loopback of its own, and it ends with its
control groups.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.programs import program
from tests.notify_socket import NotifySocket, notify_socket
from tests.system.waiting import until

PROGRAM: Final = Path("/opt/ald-recorder")
"""Where the recorder is installed there."""
START_S: Final = 120.0
COMMAND_S: Final = 120.0
_CPU_SHARES: Final = 16_384
_DEPENDENCIES: Final = Path("/opt/ald-dependencies")
_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
_LEADER: Final = "X_NSPAWN_LEADER_PID"
_PROPAGATED: Final = Path("/run/systemd/nspawn/propagate")
_SYSTEMD: Final = Path("/lib/systemd/systemd")
# its own mounts are seen by nobody else; the overlay's upper layer may not lie below its lower one, so it is in memory
_BOOT: Final = """
set -eu
for group in $GROUPS_OF_ITS_OWN; do echo $$ > "$group/cgroup.procs"; done
mount -t tmpfs ald-machine "$SCRATCH"
mkdir "$SCRATCH/upper" "$SCRATCH/work" "$SCRATCH/root"
mount -t overlay ald-machine -o "lowerdir=/,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work" "$SCRATCH/root"
exec "$@" --directory="$SCRATCH/root" -- --unit=sysinit.target
"""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A running one; commands are carried out in it as root.

    Attributes:
        leader: its process 1, as this machine numbers it.
    """

    leader: int

    def run(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in it to its end; it has to succeed unless said otherwise."""
        enter = ("nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        done = subprocess.run(
            [*enter, "--root", "--wd", "--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *map(str, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_S,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def said(self, *command: str | Path) -> str:
        """What a command prints there."""
        return self.run(*command).stdout.strip()

    def recorder(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """``ald-recorder`` there."""
        return self.run(PROGRAM / "bin/python", "-P", "-m", "recorder", *arguments, check=check)

    def property(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd has it."""
        return self.said("systemctl", "show", "--value", "--property", name, unit)

    def journal(self, unit: str) -> str:
        """What a unit has said."""
        return self.said("journalctl", "--no-pager", "--output=cat", "--unit", unit)


@contextmanager
def booted_machine(folder: Path, wheel: Path) -> Iterator[Machine]:
    """Boot one with the recorder of a wheel installed in it; skips where that cannot be done here."""
    nspawn = program("systemd-nspawn")
    if os.geteuid() != 0:
        pytest.skip("only root may boot a machine of its own (systemd-nspawn)")
    if not _SYSTEMD.exists():
        pytest.skip(f"no {_SYSTEMD} on this machine (on Debian: apt-get install systemd)")
    binds = {
        _installation(folder / "program", wheel): PROGRAM,
        # where it was built for: its library is found by that path
        Path(sys.base_prefix): Path(sys.base_prefix),
        Path(sysconfig.get_path("purelib")): _DEPENDENCIES,
    }
    scratch, state = folder / "machine", folder / "state"
    scratch.mkdir()
    state.mkdir()
    name = f"ald-machine-{os.getpid()}"
    with ExitStack() as stack:
        groups = stack.enter_context(_control_groups(name))
        log = stack.enter_context((folder / "machine.log").open("wb"))
        command = [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _BOOT, "sh"),
            *(nspawn, "--quiet", "--boot", "--register=no", "--keep-unit", "--notify-ready=yes", "--private-network"),
            *(f"--machine={name}", "--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *(f"--bind-ro={_escaped(source)}:{target}" for source, target in binds.items()),
            # of this machine's own recorder, where it has one, nothing is seen there; and the spool is on a disk
            *("--tmpfs=/etc/ald-recorder", f"--bind={_escaped(state)}:/var/lib/ald-recorder"),
        ]
        environment = {
            "PATH": os.environ["PATH"],
            "NOTIFY_SOCKET": str(folder / "notify"),
            "GROUPS_OF_ITS_OWN": " ".join(map(str, groups)),
            "SCRATCH": str(scratch),
            # as on a machine of today, whatever this one has: which devices may be used is then the kernel's to say
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
        }
        told: dict[str, str] = {}
        # closed once it is up: nobody reads what comes later, and systemd-nspawn would wait for that for ever
        with notify_socket(str(folder / "notify")) as heard:
            process = stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
            )
            stack.callback(_end, process, name, told)
            until(
                "process 1 of the machine",
                lambda: _is_ready(heard, told) or process.poll() is not None,
                deadline_s=START_S,
            )
        if process.poll() is not None:
            said = (folder / "machine.log").read_text(encoding="utf-8", errors="replace")
            pytest.skip(f"no machine can be booted here: {' '.join(said.split())[-500:]}")
        machine = Machine(leader=int(told[_LEADER]))
        # a Python in root's home can be entered by nobody else
        machine.run("chmod", "o+x", *Path(sys.base_prefix).parents)
        yield machine


def _is_ready(heard: NotifySocket, told: dict[str, str]) -> bool:
    """Whether systemd-nspawn said by now that its process 1 is ready."""
    with suppress(TimeoutError):
        told |= heard.next(within_s=0.1)
    return "READY" in told


def _installation(folder: Path, wheel: Path) -> Path:
    """A virtual environment with the wheel; its dependencies are those of this one, found beside it."""
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    site.mkdir(parents=True)
    shutil.unpack_archive(wheel, site, "zip")
    (site / "dependencies.pth").write_text(f"{_DEPENDENCIES}\n")
    (folder / "pyvenv.cfg").write_text(f"home = {sys.base_prefix}/bin\ninclude-system-site-packages = false\n")
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}")
    return folder


@contextmanager
def _control_groups(name: str) -> Iterator[list[Path]]:
    """A group of its own in each hierarchy, below that of this process; gone afterwards."""
    made: list[Path] = []
    try:
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            folder = _hierarchy(controllers) / path.strip("/") / name
            if not folder.parent.is_dir():
                continue
            folder.mkdir()
            made.append(folder)
            # a new group has none of these, and no process can be put into it
            for file in ("cpuset.cpus", "cpuset.mems") if controllers == "cpuset" else ():
                (folder / file).write_text((folder.parent / file).read_text())
            # else all of the machine together gets as much of a busy processor as one process beside it
            if (folder / "cpu.shares").exists():
                (folder / "cpu.shares").write_text(str(_CPU_SHARES))
        yield made
    finally:
        for folder in made:
            until(f"the end of {folder}", lambda folder=folder: _removed(folder))  # type: ignore[misc]


def _hierarchy(controllers: str) -> Path:
    unified = _CONTROL_GROUPS / "unified"
    if not controllers:
        return unified if unified.is_dir() else _CONTROL_GROUPS
    return _CONTROL_GROUPS / controllers.removeprefix("name=")


def _removed(folder: Path) -> bool:
    """Whether a control group could be removed with all below it: none can while a process is in it."""
    try:
        for below, _, _ in os.walk(folder, topdown=False):
            Path(below).rmdir()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes], name: str, told: dict[str, str]) -> None:
    """End it as by a power cut: with its process 1 all of it ends, and systemd-nspawn, whose folder is removed."""
    if _LEADER in told:
        os.kill(int(told[_LEADER]), signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    with suppress(OSError):
        (_PROPAGATED / name).rmdir()


def _escaped(path: Path) -> str:
    """A path as a part of --bind-ro=, where a colon ends it."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")
