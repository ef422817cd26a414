"""The states of one alarm, and delays: every way from one to the next."""

import pytest

from recorder.alarms.alarm import Alarm, AlarmState, Change, Delayed, Transition

MINUTE_US = 60_000_000
NORMAL = Alarm()
UNACKNOWLEDGED = NORMAL.begin(1, 5.0)[0]
ACKNOWLEDGED = UNACKNOWLEDGED.acknowledge(2, "Ada")[0]
RETURNED = UNACKNOWLEDGED.end(3)[0]
SHELVED_NORMAL = NORMAL.shelve(4, for_us=MINUTE_US, by="Ada")[0]
SHELVED_ACTIVE = UNACKNOWLEDGED.shelve(4, for_us=MINUTE_US, by="Ada")[0]


def told(change: Change) -> tuple[AlarmState, Transition | None]:
    """State and what is told."""
    return change[0].state, change[1]


@pytest.mark.parametrize(
    ("alarm", "state", "transition"),
    [
        (NORMAL, AlarmState.UNACKNOWLEDGED, Transition.RAISED),
        (RETURNED, AlarmState.UNACKNOWLEDGED, Transition.RAISED),
        (ACKNOWLEDGED, AlarmState.UNACKNOWLEDGED, Transition.RAISED),
        (UNACKNOWLEDGED, AlarmState.UNACKNOWLEDGED, None),
        (SHELVED_NORMAL, AlarmState.SHELVED, None),
    ],
)
def test_a_condition_that_begins_raises(alarm: Alarm, state: AlarmState, transition: Transition | None) -> None:
    """From everywhere but the shelf; one that stands is not raised twice."""
    assert told(alarm.begin(9, 7.0)) == (state, transition)
    assert alarm.begin(9, 7.0)[0].is_active


@pytest.mark.parametrize(
    ("alarm", "state", "transition"),
    [
        (UNACKNOWLEDGED, AlarmState.RETURNED, Transition.RETURNED),
        (ACKNOWLEDGED, AlarmState.NORMAL, Transition.NORMAL),
        (NORMAL, AlarmState.NORMAL, None),
        (RETURNED, AlarmState.RETURNED, None),
        (SHELVED_ACTIVE, AlarmState.SHELVED, None),
    ],
)
def test_a_condition_that_ends_returns(alarm: Alarm, state: AlarmState, transition: Transition | None) -> None:
    """To normal only where somebody has acknowledged it."""
    assert told(alarm.end(9)) == (state, transition)
    assert not alarm.end(9)[0].is_active


def test_acknowledging_keeps_the_name_while_it_holds() -> None:
    """What is over goes to normal, and nobody's name stays with it."""
    assert told(UNACKNOWLEDGED.acknowledge(2, "Ada")) == (AlarmState.ACKNOWLEDGED, Transition.ACKNOWLEDGED)
    assert (ACKNOWLEDGED.by, ACKNOWLEDGED.raised_us, ACKNOWLEDGED.changed_us) == ("Ada", 1, 2)
    normal, transition = RETURNED.acknowledge(5, "Ada")
    assert (normal.state, normal.by, transition) == (AlarmState.NORMAL, "", Transition.ACKNOWLEDGED)


@pytest.mark.parametrize("alarm", [NORMAL, ACKNOWLEDGED, SHELVED_ACTIVE])
def test_what_does_not_wait_cannot_be_acknowledged(alarm: Alarm) -> None:
    """It says in which state it is."""
    with pytest.raises(ValueError, match=f"is {alarm.state}: there is nothing to acknowledge"):
        alarm.acknowledge(9, "Ada")


def test_the_shelf_has_an_end_and_a_name() -> None:
    """What holds comes back unacknowledged, what does not comes back normal; meanwhile both are followed."""
    assert (SHELVED_ACTIVE.shelved_until_us, SHELVED_ACTIVE.by) == (4 + MINUTE_US, "Ada")
    assert told(SHELVED_ACTIVE.unshelve(9)) == (AlarmState.UNACKNOWLEDGED, Transition.UNSHELVED)
    assert told(SHELVED_ACTIVE.end(6)[0].unshelve(9)) == (AlarmState.NORMAL, Transition.UNSHELVED)
    came_up = SHELVED_NORMAL.begin(6, 8.0)[0].unshelve(9)[0]
    assert (came_up.state, came_up.raised_us, came_up.value, came_up.by) == (AlarmState.UNACKNOWLEDGED, 9, 8.0, "")
    assert SHELVED_ACTIVE.shelve(5, for_us=7, by="Bob")[0].shelved_until_us == 12
    with pytest.raises(ValueError, match="is normal: it is not shelved"):
        NORMAL.unshelve(9)


def test_a_delay_passes_over_what_cannot_be_said() -> None:
    """On and off; what is otherwise in between begins the time anew."""
    delayed = Delayed(on_delay_ns=10, off_delay_ns=5)
    looks = [(True, 0), (False, 5), (True, 6), (None, 12), (True, 15), (True, 16), (False, 17), (None, 30)]
    assert [delayed.look(holds, now_ns) for holds, now_ns in looks] == [False] * 5 + [True] + [False] * 2
    assert delayed.is_active
    assert delayed.look(False, 31)
    assert not delayed.is_active
