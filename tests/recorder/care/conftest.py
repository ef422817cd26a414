"""Commands for the tests of care."""

from tests.recorder.cli.conftest import commands

__all__ = ["commands"]
