"""Process ids: minted by the recorder, whether the database is there or not, and never twice."""

from typing import Final

EPOCH_MS: Final = 1_735_689_600_000
"""2025-01-01 UTC in milliseconds since 1970: where the ids count from."""
_RECORDER_BITS: Final = 10
_SEQUENCE_BITS: Final = 12


class ProcessIdMint:
    """Makes ids of 41 bits of milliseconds, 10 bits of recorder number and 12 bits of sequence.

    Args:
        recorder: 0…1023, unique among the recorders of one database.
        last: the last id that was made, so that a clock that goes back cannot repeat one.
    """

    def __init__(self, *, recorder: int, last: int = 0) -> None:
        self._recorder = recorder
        self.last = last

    def mint(self, now_us: int) -> int:
        """Make the next id.

        Args:
            now_us: UTC microseconds since 1970.
        """
        id_bits = _RECORDER_BITS + _SEQUENCE_BITS
        time_part = max(now_us // 1000 - EPOCH_MS, self.last >> id_bits)
        made = (time_part << _RECORDER_BITS | self._recorder) << _SEQUENCE_BITS
        if made <= self.last:
            made = self.last + 1
        if made >> _SEQUENCE_BITS != (time_part << _RECORDER_BITS | self._recorder):
            # the sequence is used up, or the last id was another recorder's
            made = ((time_part + 1) << _RECORDER_BITS | self._recorder) << _SEQUENCE_BITS
        self.last = made
        return self.last


def minted_us(process_id: int) -> int:
    """When an id was made, UTC microseconds, to the millisecond."""
    return ((process_id >> _RECORDER_BITS + _SEQUENCE_BITS) + EPOCH_MS) * 1000
