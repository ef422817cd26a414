"""The words that a check has read from one device, wherever they came from."""

from typing import Final

from hal.link import Block, Reading
from hal.parameter import RegisterKind

_MOST_KEPT: Final = 8
"""Readings of each word that are kept; what a value was before shows nothing more."""


class Image:
    """Words and bits by kind and address, as they were read last, and what they were before.

    Args:
        one_register_image: whether what is read as holding registers stands for input registers too.
    """

    def __init__(self, *, one_register_image: bool = False) -> None:
        self._one_register_image = one_register_image
        self._words: dict[tuple[RegisterKind, int], int] = {}
        self._moved: set[tuple[RegisterKind, int]] = set()
        self._before: dict[tuple[RegisterKind, int], dict[int, int]] = {}
        self._reading = 0

    def take(self, block: Block, reading: Reading) -> None:
        """Keep what a request brought, and which words are not what they were."""
        self._reading += 1
        kinds = {block.kind}
        if self._one_register_image and block.kind is RegisterKind.HOLDING_REGISTER:
            kinds.add(RegisterKind.INPUT_REGISTER)
        for address, word in enumerate(reading.data.tolist(), start=block.address):
            for kind in kinds:
                self.put(kind, address, int(word))

    def put(self, kind: RegisterKind, address: int, word: int) -> None:
        """Keep one word, or one bit as 0 or 1."""
        place = kind, address
        if self._words.get(place, word) != word:
            self._moved.add(place)
        self._words[place] = word
        before = self._before.setdefault(place, {})
        before[self._reading] = word
        if len(before) > _MOST_KEPT:
            del before[next(iter(before))]

    def words(self, kind: RegisterKind, address: int, count: int) -> tuple[int, ...] | None:
        """The words of a place; None where not all of them were read."""
        places = [(kind, at) for at in range(address, address + count)]
        if not all(place in self._words for place in places):
            return None
        return tuple(self._words[place] for place in places)

    def readings(self, kind: RegisterKind, address: int, count: int) -> list[tuple[int, ...]]:
        """The words of a place in each of the last readings that brought all of them, oldest first."""
        before = [self._before.get((kind, at), {}) for at in range(address, address + count)]
        whole = set(before[0]).intersection(*before[1:]) if before else set()
        return [tuple(words[number] for words in before) for number in sorted(whole)]

    def moved(self, kind: RegisterKind, address: int, count: int) -> bool:
        """Whether any word of a place changed from one reading to another."""
        return any((kind, at) in self._moved for at in range(address, address + count))
