"""What can be wrong with the statements that ship in this package.

SqlError
├── QueryFileError       a file of named statements that breaks the convention; names file and line
└── UnknownQueryError    a name that no file holds (also a KeyError)
"""


class SqlError(Exception):
    """Root of everything that this package raises on purpose."""


class QueryFileError(SqlError):
    """A file of named statements that does not keep to the convention."""


class UnknownQueryError(SqlError, KeyError):
    """No statement has this name."""

    def __str__(self) -> str:
        return str(self.args[0])
