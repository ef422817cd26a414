"""The real daemon with two switches, for the tests of the watchdog: ``python halting_recorder.py CONFIG``.

SIGUSR1 takes its timer away, SIGUSR2 stops the thread that appends to the spool. In both states it goes on to answer
commands, so that only what is recorded shows the fault.
"""

import asyncio
import gc
import signal
import sys
import threading
from pathlib import Path

from recorder.config.file import load
from recorder.daemon import Daemon
from recorder.spool.spool import Spool


def stop_appending() -> None:
    """Let the append thread wait for ever."""
    spool = next(found for found in gc.get_objects() if isinstance(found, Spool))
    spool._write_thread.submit(threading.Event().wait)


async def record() -> None:
    """Run it until it is killed."""
    daemon = Daemon(load(Path(sys.argv[1])))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: loop.remove_reader(daemon._timer._file))
    loop.add_signal_handler(signal.SIGUSR2, stop_appending)
    await daemon.run()


if __name__ == "__main__":
    asyncio.run(record())
