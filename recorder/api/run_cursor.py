"""Where a page of runs ends, as clients hand it back: they need not know what is in it."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
MOST_ID: Final = (1 << 63) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCursor:
    """The last run of a page: the next one goes on with the run after it, in the order of the list.

    It holds the moment too, so that pages go on where the run was deleted meanwhile.
    """

    started_at: datetime
    run: int

    def encode(self) -> str:
        """As text for a URL."""
        plain = f"{(self.started_at - _EPOCH) // _MICROSECOND}.{self.run}"
        return base64.urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """What `encode` made.

        Raises:
            ValueError: it is nothing of the kind.
        """
        try:
            plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
            microseconds, run = (int(part) for part in plain.split("."))
            found = cls(started_at=_EPOCH + microseconds * _MICROSECOND, run=run)
        except (ValueError, OverflowError, binascii.Error) as error:
            raise ValueError("it is none that a page of runs ended with; begin without") from error
        if not 0 <= run <= MOST_ID or found.encode() != text:
            raise ValueError("it is none that a page of runs ended with; begin without")
        return found
