"""What may stand behind ``ald-recorder set``."""

import pytest

from recorder.cli.set_values import values_of
from recorder.errors import UsageError


def test_parameters_and_values_stand_in_turns() -> None:
    """In the order in which they were typed."""
    assert list(values_of(["B/x", "-20.5", "A/y", "1e2"]).items()) == [("B/x", -20.5), ("A/y", 100.0)]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["A/x"], "'A/x' has no value"),
        (["A/x", "1", "A/y"], "'A/y' has no value"),
        (["A/x", "warm"], "'warm' is no value"),
        (["A/x", "1e400"], "'1e400' is no value"),
        (["A/x", "nan"], "'nan' is no value"),
        (["A/x", "1", "A/x", "2"], "'A/x' is named twice"),
    ],
)
def test_what_cannot_be_set_is_named_before_anybody_is_asked(typed: list[str], words: str) -> None:
    """One line that quotes what was typed and says what to do."""
    with pytest.raises(UsageError, match=words):
        values_of(typed)
