"""A memory of plain words and bits: what is written is read again, and nothing else ever moves."""

from collections.abc import Mapping, Sequence

from hal.parameter import RegisterKind
from simulator.errors import ILLEGAL_ADDRESS, RequestRefusedError


class ArrayMemory:
    """One area of each kind.

    Args:
        areas: first address and words (or bits, 0 and 1) of each kind that is there.
    """

    def __init__(self, areas: Mapping[RegisterKind, tuple[int, Sequence[int]]]) -> None:
        self._areas = {kind: (first, list(words)) for kind, (first, words) in areas.items()}

    def read(self, kind: RegisterKind, address: int, count: int) -> Sequence[int]:
        """Answer a read.

        Raises:
            RequestRefusedError: an address is not there.
        """
        words, at = self._place(kind, address, count)
        return words[at : at + count]

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        """Take a write.

        Raises:
            RequestRefusedError: an address is not there; then nothing was taken.
        """
        area, at = self._place(kind, address, len(words))
        area[at : at + len(words)] = words

    def _place(self, kind: RegisterKind, address: int, count: int) -> tuple[list[int], int]:
        first, words = self._areas.get(kind, (0, []))
        at = address - first
        if at < 0 or at + count > len(words):
            reason = f"no {kind} at all of {address}..{address + count - 1}"
            raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=reason)
        return words, at
