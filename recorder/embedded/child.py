"""Become PostgreSQL: drop to its user, ask to be stopped with the parent, then exec.

A program of its own rather than a ``preexec_fn``, which runs Python between fork and exec and can deadlock where the
parent has threads. It is read before the rights are dropped, so the server's user needs no access to Python. It uses
only the standard library and is started with ``-I -S``: about 30 ms.

    child.py PARENT_PID UID GID USER FOLDER PROGRAM [ARGUMENT ...]

UID -1 keeps the user. The PID stays the same through exec: PostgreSQL is a direct child of the program that uses it.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Final

FOLDER_REFUSED: Final = 125
"""Exit status where the user cannot enter FOLDER."""
PROGRAM_REFUSED: Final = 126
"""Exit status where the user cannot run PROGRAM."""
USER_REFUSED: Final = 124
"""Exit status where the system does not let us become USER."""
PARENT_GONE: Final = 123
"""Exit status where the parent ended before the exec."""

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def stop_with_parent(parent_pid: int) -> Callable[[], None]:
    """The request to Linux for SIGINT, PostgreSQL's fast shutdown, when the parent ends; elsewhere nothing.

    It is prepared apart from being made, since Python's own files may be out of reach once the rights are dropped.
    """
    if sys.platform != "linux":
        return lambda: None
    try:
        import ctypes  # noqa: PLC0415  (needed on Linux alone)
    except ImportError:  # a Python that was built without libffi
        sys.exit("this Python has no ctypes, without which the server could outlive the program: use another Python")

    prctl = ctypes.CDLL(None).prctl

    def request() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent_pid:  # it ended before the request was in force: nobody would tell us
            sys.exit(PARENT_GONE)

    return request


def main(arguments: list[str]) -> int:
    """Exec the program, or say on stderr why not."""
    parent_pid, uid, gid = (int(text) for text in arguments[:3])
    user, folder, program = arguments[3:6]
    # A shell that started us in the background has SIGINT ignored, and that would survive the exec.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    request_stop = stop_with_parent(parent_pid)
    if uid != -1:
        try:
            os.initgroups(user, gid)
            os.setgid(gid)
            os.setuid(uid)
        except OSError as error:
            sys.stderr.write(f"cannot become user {user}: {error.strerror}\n")
            return USER_REFUSED
    request_stop()  # after setuid, which clears it
    os.umask(0o077)
    try:
        os.chdir(folder)
    except OSError as error:
        sys.stderr.write(f"cannot enter {folder}: {error.strerror}\n")
        return FOLDER_REFUSED
    try:
        os.execv(program, arguments[5:])  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"cannot run {program}: {error.strerror}\n")
        return PROGRAM_REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
