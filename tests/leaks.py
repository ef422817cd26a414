"""What a test must not leave behind: tasks of its event loop, and child processes."""

import asyncio
import os
import time
from pathlib import Path
from typing import Final

GRACE_S: Final = 1.0
"""A child that was told to end is given this long."""


def leaked_tasks() -> list[str]:
    """The tasks of the running loop that go on, other than the current one."""
    current = asyncio.current_task()
    return [repr(task) for task in asyncio.all_tasks() if task is not current]


def child_processes() -> set[int]:
    """The children of this process, ended ones that nobody waited for among them; empty where there is no /proc."""
    own = os.getpid()
    return {pid for pid in _processes() if _parent(pid) == own and not _is_resource_tracker(pid)}


def leaked_children(before: set[int], allowed: set[int]) -> list[str]:
    """The children that were not there before and do not end on their own within the grace."""
    deadline = time.monotonic() + GRACE_S
    while (extra := child_processes() - before - allowed) and time.monotonic() < deadline:
        time.sleep(0.01)
    return [f"{pid} ({_command(pid)})" for pid in sorted(extra)]


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208  (thrice as fast)
    except FileNotFoundError:
        return []


def _parent(pid: int) -> int | None:
    try:
        # pid (name, which may hold anything) state parent
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return None


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "ended"
    return words or "ended, and nobody waited for it"


def _is_resource_tracker(pid: int) -> bool:
    return "multiprocessing.resource_tracker" in _command(pid)  # one a Python, for its whole life
