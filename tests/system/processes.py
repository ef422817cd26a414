"""Processes as /proc shows them: a family, and who of it is still there. Linux alone."""

from pathlib import Path
from typing import NamedTuple


class Member(NamedTuple):
    """A process, by its number and the time of its start, since numbers are used again."""

    pid: int
    began: str


def family(pid: int) -> set[Member]:
    """A process and all below it."""
    parents: dict[int, set[Member]] = {}
    found: set[Member] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (stat := _stat(int(entry.name))):
            member = Member(pid=int(entry.name), began=stat[19])
            parents.setdefault(int(stat[1]), set()).add(member)
            if member.pid == pid:
                found.add(member)
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), set())
        found |= children
        waiting += [child.pid for child in children]
    return found


def alive(members: set[Member]) -> set[Member]:
    """Those that still run; ended ones that nobody waited for do not."""
    return {
        member
        for member in members
        if (stat := _stat(member.pid)) and (stat[19], stat[0] == "Z") == (member.began, False)
    }


def _stat(pid: int) -> list[str]:
    try:
        # pid (name, which may hold anything) state parent ...
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
