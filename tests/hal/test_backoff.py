"""How long a device is left alone."""

import pytest

from hal.backoff import Backoff
from hal.errors import DefinitionError


def test_waits_double_up_to_the_longest() -> None:
    """Also after years."""
    backoff = Backoff(chance=lambda: 1.0)
    assert [backoff.wait_s(failures) for failures in (1, 2, 3, 6, 7, 10_000_000)] == [0.1, 0.2, 0.4, 3.2, 5.0, 5.0]


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_chance_shortens_a_wait_by_up_to_half(chance: float, share: float) -> None:
    """So that many recorders do not come back in one moment."""
    assert Backoff(chance=lambda: chance).wait_s(3) == pytest.approx(0.4 * share)


@pytest.mark.parametrize("fields", [{"first_s": 0.0}, {"first_s": 6.0}, {"factor": 0.5}])
def test_waits_that_cannot_be_are_refused(fields: dict[str, float]) -> None:
    """A wait of nothing would be a busy loop."""
    with pytest.raises(DefinitionError):
        Backoff(first_s=fields.get("first_s", 0.1), factor=fields.get("factor", 2.0))
