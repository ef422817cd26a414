"""What the api refuses or cannot do, beside what the recorder and the database say.

RecorderError
├── OutsideError
│   ├── TooBusyError        too many ask at the same time: 429
│   └── OutcomeUnknownError   a command was sent, and whether it was carried out nobody can say: 504
└── NotFoundError           there is no such thing: 404
"""

from recorder.errors import OutsideError, RecorderError


class TooBusyError(OutsideError):
    """Too many ask at the same time."""


class OutcomeUnknownError(OutsideError):
    """A command was sent to the recorder, and no answer came."""


class NotFoundError(RecorderError):
    """There is no such thing."""
