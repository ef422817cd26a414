"""What the recorder raises on purpose; each message is one line that says what, where and what to do.

RecorderError                        exit status 1
├── UsageError                 (2)   a wrong argument or a file with faults
│   ├── ConfigurationError           a field of config.toml or of its environment
│   └── CommandUnknownError          what answers at the control socket does not have this command
├── OutsideError               (3)   something outside is not there
│   ├── DatabaseError
│   │   ├── DatabaseUnreachableError   no connection, or it was lost (also a ConnectionError)
│   │   ├── ContentRefusedError        refused for what was written: it would be again
│   │   ├── StreamFencedError          a newer epoch of this recorder writes
│   │   ├── StreamOutOfStepError       the watermark is not where this spool left it
│   │   ├── RecorderClaimedError       another machine holds this recorder number
│   │   └── MigrationError             the schema could not be brought up to date (recorder.database.migration)
│   ├── DaemonAwayError              nobody listens on the control socket
│   │   └── NoAnswerError              a command was sent, and may have been carried out
│   ├── AlreadyRunningError          another daemon holds the data directory
│   ├── SpoolError                   the spool on disk cannot be opened or written
│   │   └── StreamChangedError         a damaged spool was replaced: its successor must be claimed
│   ├── EmbeddedError                the embedded PostgreSQL (recorder.embedded.errors)
│   ├── OutputError                  what a command prints cannot be written whole
│   ├── DemoError                    the demonstration could not be carried through
│   └── LabError                     a scenario of the fault lab could not be carried through
├── SetValueError                    a set-value that is not known, or not known well enough
│   ├── SetValueUnknownError           nobody has said, or the database is away
│   └── StaleLimitsError               nothing may be written by limits this old
└── DefinitionsError           (2)   the definitions in the database are not complete or not sound
"""


class RecorderError(Exception):
    """Root; `exit_status` is what a command ends with."""

    exit_status = 1


class UsageError(RecorderError):
    """The command was used wrongly, or a file given to it has faults."""

    exit_status = 2


class ConfigurationError(UsageError):
    """A field of the configuration cannot be used."""


class CommandUnknownError(UsageError):
    """The daemon does not have this command: it is older than its client."""


class DefinitionsError(RecorderError):
    """The definitions are not complete or not sound."""

    exit_status = 2


class SetValueError(RecorderError):
    """A set-value cannot be told or used."""


class SetValueUnknownError(SetValueError):
    """There is no such parameter, or it was never read and the database is away."""


class StaleLimitsError(SetValueError):
    """The limits that would allow a write are too old, or were changed since."""


class OutsideError(RecorderError):
    """Something outside this program is not there."""

    exit_status = 3


class OutputError(OutsideError):
    """What a command prints cannot be written whole."""


class DatabaseError(OutsideError):
    """PostgreSQL refused or failed."""


class DatabaseUnreachableError(DatabaseError, ConnectionError):
    """There is no connection to PostgreSQL."""


class RightMissingError(DatabaseError):
    """The role lacks a right, and will until somebody grants it."""


class ContentRefusedError(DatabaseError):
    """PostgreSQL refused something for what it is, and would again.

    Attributes:
        sqlstate: PostgreSQL's code, or `UNWRITABLE` where this release cannot even ask.
        said: what PostgreSQL said, without place and operation.
    """

    UNWRITABLE = "ALQ01"
    CLASSES = frozenset({"21", "22", "23", "44", "54", "P0"})
    """Classes of SQLSTATE that speak of content: cardinality, data, integrity, WITH CHECK OPTION, limits, RAISE."""

    def __init__(self, message: str, *, sqlstate: str = UNWRITABLE, said: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.said = message if said is None else said


class StreamFencedError(DatabaseError):
    """Another process of this recorder has taken a newer epoch."""


class StreamOutOfStepError(DatabaseError):
    """The watermark in the database is not where this spool left it."""


class RecorderClaimedError(DatabaseError):
    """Another machine holds this recorder number."""


class DaemonAwayError(OutsideError):
    """Nobody listens on the control socket."""


class NoAnswerError(DaemonAwayError):
    """A command was sent to the daemon, and no answer came: it may have been carried out."""


class AlreadyRunningError(OutsideError):
    """Another daemon holds the data directory."""


class SpoolError(OutsideError):
    """The spool on disk cannot be opened or written."""


class StreamChangedError(SpoolError):
    """A damaged spool file was replaced by a new one, which is another stream."""


class DemoError(OutsideError):
    """The demonstration could not be carried through."""


class LabError(OutsideError):
    """A scenario of the fault lab could not be carried through."""
