"""Where the ring buffer of events lies in the memory: beside the parameters, since an entry is no parameter.

Input registers `ADDRESS` to ``ADDRESS + 223``: `events.ENTRIES` entries of `ENTRY_WORDS` words, the event with sequence
n at entry n modulo `events.ENTRIES`. An entry, 32-bit values with the low word first (CDAB):

====  ============  =======================================================
word  what          type
====  ============  =======================================================
0, 1  sequence      uint32, from 1; 0 where the entry was never written
2, 3  milliseconds  uint32 of the PLC's clock (``Process/clock``)
4     id            uint16, `events.EventId`
5, 6  value         float32
====  ============  =======================================================

``Process/event_head`` in the fast block is the sequence of the newest. 16 entries are 112 registers, so the ring takes
two requests, and one where few are new.
"""

import struct
from typing import Final

from simulator.events import ENTRIES, Event, EventRing
from simulator.registers import Area

ADDRESS: Final = 4000
ENTRY_WORDS: Final = 7
_DOUBLE_WORD: Final = 0x1_0000_0000
_PACKED: Final = struct.Struct("<IIHf")
_WORDS: Final = struct.Struct(f"<{ENTRY_WORDS}H")
_BLANK: Final = (0,) * ENTRY_WORDS


def ring_area(ring: EventRing) -> Area:
    """Lay the ring out as registers."""
    places: list[tuple[int, ...]] = [_BLANK] * ENTRIES
    for event in ring.entries:
        places[event.sequence % ENTRIES] = _entry(event)
    return Area(address=ADDRESS, words=tuple(word for place in places for word in place))


def _entry(event: Event) -> tuple[int, ...]:
    packed = _PACKED.pack(
        event.sequence % _DOUBLE_WORD, event.at_us // 1000 % _DOUBLE_WORD, event.event_id, event.value
    )
    return _WORDS.unpack(packed)
