"""Hears of set-values that somebody else has changed, so that they are forgotten at once."""

from typing import Final

from recorder.database.notices import Hearing, Notices
from recorder.set_values.cache import SetValues

CHANNEL: Final = "ald_set_values"
"""As migration 0014 names it."""


def set_value_notices(set_values: SetValues, hearing: Hearing) -> Notices:
    """What hears of changes of set-values, limits and what is in service, for as long as it runs."""
    return Notices(CHANNEL, "parameters", hearing, changed=set_values.invalidate)
