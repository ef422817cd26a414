"""The lab's own judgement: it must see what is missing, twice or wrong, or its verdicts mean nothing."""

import struct
from collections.abc import Sequence

import pytest

from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from recorder.cli.fault_lab.comparison import (
    ALTERED,
    FOREVER_NS,
    IN_FLIGHT,
    MEASURED,
    PROBED,
    UNEXPLAINED,
    Comparison,
    Explanation,
    Life,
    compare,
)
from recorder.cli.fault_lab.sent import SentScan, sent_scans
from recorder.cli.fault_lab.stored import StoredScan
from simulator.response_log import Response

SPAN = (1, RegisterKind.INPUT_REGISTER, 3000, 68)
LIFE = Life(began_ns=0, ended_ns=FOREVER_NS, plans=1, is_killed=False)


def sent(number: int, *, is_altered: bool = False, count: int = 68) -> SentScan:
    """An answer of which no other is alike."""
    span = (*SPAN[:3], count)
    content = frozenset({(1, float(number)), (2, None)})
    return SentScan(sent_ns=number, sent_us=number, span=span, is_altered=is_altered, content=content)


def stored(number: int) -> StoredScan:
    """What is to be stored of it."""
    return StoredScan(timestamp_us=number, process_id=9, device="plc", content=sent(number).content or frozenset())


def compared(
    of_tool: Sequence[SentScan],
    numbers: Sequence[int],
    *,
    lives: Sequence[Life] = (LIFE,),
    explanations: Sequence[Explanation] = (),
) -> Comparison:
    """Compare answers with stored ones."""
    return compare(of_tool, [stored(number) for number in numbers], lives=lives, explanations=explanations)


def test_what_was_sent_and_is_stored_is_equal() -> None:
    """And nothing else is said."""
    found = compared([sent(n) for n in range(1, 6)], range(1, 6))
    assert (found.sent, found.stored, found.equal, found.lost, found.problems) == (5, 5, 5, {}, [])


def test_a_missing_answer_is_unexplained() -> None:
    """In the middle of a life there is no excuse; the report says which."""
    found = compared([sent(n) for n in range(1, 6)], [1, 2, 4, 5])
    assert found.lost == {UNEXPLAINED: 1}
    assert "1 answers are missing without a cause: unit 1 input_register 3000+68" in found.problems[0]


def test_an_answer_that_is_stored_twice_is_a_duplicate() -> None:
    """It is a problem by itself."""
    found = compared([sent(1), sent(2)], [1, 2, 2])
    assert (found.duplicates, found.foreign, len(found.problems)) == (1, 0, 1)


def test_a_value_that_was_never_sent_is_foreign() -> None:
    """And the answer in whose place it stands is missing."""
    found = compared([sent(1), sent(2), sent(3)], [1, 7, 3])
    assert (found.foreign, found.lost) == (1, {UNEXPLAINED: 1})


def test_a_kill_costs_the_scan_that_was_being_read_and_no_other() -> None:
    """One after the last that is stored, and never two."""
    killed = Life(began_ns=0, ended_ns=10, plans=1, is_killed=True)
    assert compared([sent(n) for n in range(1, 5)], [1, 2, 3], lives=[killed]).lost == {IN_FLIGHT: 1}
    assert compared([sent(n) for n in range(1, 6)], [1, 2, 3], lives=[killed]).lost == {IN_FLIGHT: 1, UNEXPLAINED: 1}
    assert compared([sent(n) for n in range(1, 5)], [1, 2, 4], lives=[killed]).lost == {UNEXPLAINED: 1}


def test_a_start_reads_three_times_before_its_first_slot() -> None:
    """A fourth would be a loss."""
    assert compared([sent(n) for n in range(1, 6)], [4, 5]).lost == {MEASURED: 3}
    assert compared([sent(n) for n in range(1, 7)], [5, 6]).lost == {MEASURED: 3, UNEXPLAINED: 1}


def test_answers_that_a_fault_broke_and_probes_are_told_apart() -> None:
    """Neither is a loss of the recorder."""
    found = compared([sent(1), sent(2, is_altered=True), sent(3, count=1), sent(4)], [1, 4])
    assert (found.lost, found.problems) == ({ALTERED: 1, PROBED: 1}, [])


@pytest.mark.parametrize(("said", "problems"), [(2, 0), (1, 1), (3, 1)])
def test_what_the_accounting_says_must_be_what_is_missing(said: int, problems: int) -> None:
    """Exactly, neither more nor less."""
    explanation = Explanation(cause="shed", from_ns=0, until_ns=FOREVER_NS, exactly=said)
    found = compared([sent(n) for n in range(1, 6)], [1, 4, 5], explanations=[explanation])
    assert (found.lost, len(found.problems)) == ({"shed": 2}, problems)


@pytest.mark.parametrize(
    ("order", "words"),
    [("ABCD", (0x4248, 0xF5C3)), ("CDAB", (0xF5C3, 0x4248)), ("BADC", (0x4842, 0xC3F5)), ("DCBA", (0xC3F5, 0x4842))],
)
def test_words_are_understood_in_each_order(order: str, words: tuple[int, int]) -> None:
    """50.24 in four distinct bytes."""
    parameter = Parameter(
        parameter_id=5,
        name="a/b",
        kind=RegisterKind.INPUT_REGISTER,
        address=10,
        data_type=DataType.FLOAT32,
        word_order=WordOrder(order),
    )
    response = Response(
        monotonic_ns=1,
        utc_us=1,
        step=1,
        transaction=1,
        unit=1,
        is_altered=False,
        request=struct.pack(">BHH", 4, 9, 4),
        answer=struct.pack(">BB4H", 4, 8, 1, *words, 1),
    )
    (scan,) = sent_scans([response], {1: [parameter]})
    assert scan.content == frozenset({(5, struct.unpack(">f", bytes.fromhex("4248f5c3"))[0])})
