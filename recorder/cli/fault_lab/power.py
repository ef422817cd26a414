"""A power cut, as far as one can be had without cutting power: what of the spool's files was on the disk, and no more.

The recorder is stopped where it stands. Linux is then asked (cachestat, since 6.5) which pages of the files are in
memory only: those a power cut takes. They are replaced by rubbish, sector for sector as chance has it, since a disk may
have got to write any of them. An fsync that the recorder forgot would thus show. What this leaves out: disks and file
systems that lie about fsync, and the entry of a new file in its folder.
"""

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from recorder.cli.fault_lab.scenario import SkippedError

PAGE_BYTES: Final = 4096
_SECTOR_BYTES: Final = 512
_CACHESTAT: Final = 451
"""Number of the system call; the same on every machine: linux/include/uapi/asm-generic/unistd.h."""
_WAL_HEADER_BYTES: Final = 32
_WAL_FRAME_BYTES: Final = 24 + PAGE_BYTES
"""https://www.sqlite.org/fileformat2.html#the_write_ahead_log; a page of the spool is one of SQLite's default size."""


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _CacheState(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("cached", "dirty", "writeback", "evicted", "recently_evicted")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CutFile:
    """A file as a power cut leaves it.

    Attributes:
        unsynced: pages that were in memory only.
    """

    content: bytes
    unsynced: int


def require_cachestat(folder: Path) -> None:
    """See that it can be known here what is on the disk.

    Raises:
        SkippedError: it cannot.
    """
    if sys.platform != "linux":
        raise SkippedError("what is on the disk can be asked of Linux alone")
    probe = folder / "cachestat"
    try:
        with probe.open("wb") as file:
            file.write(bytes(PAGE_BYTES))
            file.flush()
            before = unsynced_pages(probe)
            os.fsync(file.fileno())
        after = unsynced_pages(probe)
    except OSError as error:
        raise SkippedError(
            f"Linux {platform.release()} does not say what is on the disk ({error.strerror}); 6.5 or later does"
        ) from error
    finally:
        probe.unlink(missing_ok=True)
    if (before, after) != ({0}, set()):
        raise SkippedError(f"{folder} is on no disk: the file system has no pages to write; set TMPDIR to one that has")


def unsynced_pages(path: Path) -> set[int]:
    """Numbers of the pages of a file that are not on the disk yet.

    Raises:
        OSError: the kernel cannot tell.
    """
    call = ctypes.CDLL(None, use_errno=True).syscall
    with path.open("rb") as file:
        pages = -(-os.fstat(file.fileno()).st_size // PAGE_BYTES)

        def is_unsynced(first: int, count: int) -> bool:
            asked, state = _Range(first * PAGE_BYTES, count * PAGE_BYTES), _CacheState()
            if call(_CACHESTAT, file.fileno(), ctypes.byref(asked), ctypes.byref(state), 0) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            return bool(state.dirty or state.writeback)

        if not pages or not is_unsynced(0, pages):
            return set()
        return {page for page in range(pages) if is_unsynced(page, 1)}


def cut_database(content: bytes, unsynced: set[int], chance: Random) -> CutFile:
    """SQLite's main file: a page is on the disk, is not, or is half."""
    found = bytearray(content)
    for page in unsynced:
        _spoil(found, page * PAGE_BYTES, (page + 1) * PAGE_BYTES, chance)
    return CutFile(content=bytes(found), unsynced=len(unsynced))


def cut_log(content: bytes, unsynced: set[int], chance: Random) -> CutFile:
    """SQLite's write-ahead log: what was written since its last fsync, frame for frame.

    A frame that begins on a page that is on the disk was synced, though its last page may hold the start of one that
    was not; what lies beside it in that page no disk takes away again.
    """
    if not unsynced:
        return CutFile(content=content, unsynced=0)
    first_byte = min(unsynced) * PAGE_BYTES
    frames = -(-max(0, first_byte - _WAL_HEADER_BYTES) // _WAL_FRAME_BYTES)
    begin = 0 if first_byte == 0 else _WAL_HEADER_BYTES + frames * _WAL_FRAME_BYTES
    end = min(len(content), (max(unsynced) + 1) * PAGE_BYTES)
    found = bytearray(content)
    _spoil(found, begin, end, chance)
    if end == len(content) and chance.random() < 0.5:  # noqa: PLR2004  (the new length was on the disk, or was not)
        del found[chance.randrange(begin, end + 1) if begin < end else end :]
    return CutFile(content=bytes(found), unsynced=len(unsynced))


def _spoil(content: bytearray, begin: int, end: int, chance: Random) -> None:
    for at in range(begin, min(end, len(content)), _SECTOR_BYTES):
        stop = min(at + _SECTOR_BYTES, end, len(content))
        match chance.randrange(3):
            case 0:
                content[at:stop] = bytes(stop - at)
            case 1:
                content[at:stop] = chance.randbytes(stop - at)
            case _:
                pass  # it was written
