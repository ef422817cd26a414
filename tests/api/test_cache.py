"""A cache that is bounded in number, bytes and age, and never keeps what was asked for before a change."""

import asyncio

import pytest

from recorder.api.cache import Answer, Cache


class Source:
    """Makes answers, and notes down for which questions.

    Attributes:
        may_answer: cleared to hold answers back.
    """

    def __init__(self, *, ttl_s: float = 300.0) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.has_begun = asyncio.Event()
        self.ttl_s = ttl_s

    async def answer(self, question: str, *, size: int = 10) -> Answer:
        """So many bytes."""
        self.asked.append(question)
        self.has_begun.set()
        body = f"{question} {len(self.asked)} ".encode().ljust(size, b".")
        await self.may_answer.wait()
        return Answer(body=body, ttl_s=self.ttl_s)


class Bench:
    """A cache whose clock a test moves."""

    def __init__(self, *, most_entries: int = 10, most_bytes: int = 1000, ttl_s: float = 300.0) -> None:
        self.now_s = 0.0
        self.longest_s = float("inf")
        self.source = Source(ttl_s=ttl_s)
        self.cache = Cache(
            "test",
            most_entries=most_entries,
            most_bytes=most_bytes,
            longest_s=lambda: self.longest_s,
            monotonic_s=lambda: self.now_s,
        )

    async def get(self, question: str, *, size: int = 10) -> bytes:
        """Ask."""
        return (await self.cache.get(question, lambda: self.source.answer(question, size=size))).body


async def test_an_answer_is_given_until_it_is_too_old() -> None:
    """Its age counts from the question; hits and misses are counted."""
    bench = Bench(ttl_s=30.0)
    first = await bench.get("a")
    bench.now_s = 29.9
    assert await bench.get("a") == first
    bench.now_s = 30.0
    assert await bench.get("a") != first
    assert (bench.cache.hits, bench.cache.misses) == (1, 2)


async def test_identical_questions_at_one_time_are_one_query() -> None:
    """Nine of ten are hits."""
    bench = Bench()
    bench.source.may_answer.clear()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(bench.get("a")) for _ in range(10)]
        await bench.source.has_begun.wait()
        bench.source.may_answer.set()
    assert len({task.result() for task in asking}) == 1
    assert bench.source.asked == ["a"]
    assert (bench.cache.hits, bench.cache.misses) == (9, 1)


async def test_what_was_asked_for_before_a_change_is_neither_kept_nor_shared_after_it() -> None:
    """Whoever asks after the change asks anew, although an answer is on its way."""
    bench = Bench()
    bench.source.may_answer.clear()
    async with asyncio.TaskGroup() as tasks:
        before = tasks.create_task(bench.get("a"))
        await bench.source.has_begun.wait()
        bench.source.has_begun.clear()
        bench.cache.drop()
        after = tasks.create_task(bench.get("a"))
        await bench.source.has_begun.wait()
        bench.source.may_answer.set()
    assert before.result() != after.result()
    assert await bench.get("a") == after.result()
    assert bench.source.asked == ["a", "a"]


async def test_one_answer_or_all_can_be_dropped() -> None:
    """The others stay."""
    bench = Bench()
    for question in ("a", "b", "c"):
        await bench.get(question)
    bench.cache.drop("b")
    assert len(bench.cache) == 2
    bench.cache.drop()
    assert (len(bench.cache), bench.cache.bytes) == (0, 0)


async def test_it_is_bounded_in_entries_and_what_was_not_asked_for_longest_goes() -> None:
    """A hit counts as use."""
    bench = Bench(most_entries=3)
    for question in ("a", "b", "c", "a", "d"):
        await bench.get(question)
    bench.source.asked.clear()
    for question in ("a", "c", "d", "b"):
        await bench.get(question)
    assert bench.source.asked == ["b"]
    assert len(bench.cache) == 3


async def test_it_is_bounded_in_bytes() -> None:
    """What would take more than a fourth of it is given, and not kept."""
    bench = Bench(most_bytes=1000)
    for number in range(8):
        await bench.get(f"question {number}", size=240)
    assert (len(bench.cache), bench.cache.bytes) == (4, 960)
    assert len(await bench.get("large", size=251)) == 251
    assert (len(bench.cache), bench.cache.bytes) == (4, 960)


async def test_while_notices_are_not_heard_everything_is_given_for_a_shorter_time() -> None:
    """And as long as before once they are."""
    bench = Bench()
    first = await bench.get("a")
    bench.now_s = 60.0
    assert await bench.get("a") == first
    bench.longest_s = 30.0
    assert await bench.get("a") != first


async def test_what_fails_is_not_kept() -> None:
    """The next one asks anew."""
    bench = Bench()

    async def fail() -> Answer:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError):
        await bench.cache.get("a", fail)
    assert await bench.get("a")
    assert bench.cache.misses == 2


async def test_the_same_content_has_the_same_etag_whenever_it_was_made() -> None:
    """Also in another process."""
    made = [Answer(body=body, ttl_s=ttl_s).etag for body, ttl_s in ((b"a", 1.0), (b"a", 2.0), (b"b", 1.0))]
    assert made[0] == made[1] != made[2]
    assert made[0] == '"ca978112ca1bbdcafac231b39a23dc4d"'
