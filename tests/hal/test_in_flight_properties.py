"""Any order, any cuts and any rubbish among the answers to several requests: nothing is taken for another's answer."""

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import LinkError
from hal.link import Reading
from hal.modbus import tcp_link
from tests.hal.pipelining import Peer, Request, block, serving

MOST = 6


@dataclass(frozen=True)
class Reply:
    """How a device answers some requests.

    Attributes:
        order: which is answered when.
        transactions: whose transaction each answer carries.
        edits: places in the stream of answers, bytes cut there and bytes put there.
        cuts: where the stream is divided.
    """

    order: tuple[int, ...]
    transactions: tuple[int, ...]
    edits: tuple[tuple[int, int, bytes], ...]
    cuts: tuple[int, ...]

    def stream(self, requests: list[Request]) -> bytes:
        """All answers, one behind the other."""
        whose = [requests[self.transactions[at]].frame[:2] for at in range(len(requests))]
        stream = b"".join(requests[at].answer(transaction=whose[at]) for at in self.order)
        for at, cut, put in self.edits:
            stream = stream[:at] + put + stream[at + cut :]
        return stream

    def pieces(self, stream: bytes) -> list[bytes]:
        """The stream, divided."""
        ends = sorted({min(cut, len(stream)) for cut in self.cuts} | {len(stream)})
        return [stream[a:b] for a, b in zip([0, *ends], ends, strict=False) if a < b]


EDIT = st.tuples(st.integers(0, 100), st.integers(0, 12), st.binary(max_size=12))
CUTS = st.lists(st.integers(1, 120), max_size=6).map(tuple)


@st.composite
def replies(draw: st.DrawFn, *, is_right: bool) -> Reply:
    """For two to six requests."""
    own = tuple(range(draw(st.integers(2, MOST))))
    return Reply(
        order=tuple(draw(st.permutations(own))),
        transactions=own if is_right else draw(st.one_of(st.just(own), st.permutations(own).map(tuple))),
        edits=() if is_right else draw(st.lists(EDIT, max_size=3).map(tuple)),
        cuts=draw(CUTS),
    )


async def play(reply: Reply, *, timeout_s: float) -> tuple[list[Request], bytes, list[Reading | BaseException]]:
    """Ask for blocks of different lengths at once; returns what arrived, what was sent back, what became of it."""
    requests: list[Request] = []
    streams: list[bytes] = []

    async def script(peer: Peer) -> None:
        requests.extend(await peer.requests(len(reply.order)))
        streams.append(reply.stream(requests))
        for piece in reply.pieces(streams[0]):
            peer.writer.write(piece)
            await asyncio.sleep(0)

    async with serving(script) as place:
        link = await tcp_link(place.settings(MOST, timeout_s=timeout_s))()
        reads = (link.read(block(100 * at, at + 1)) for at in range(len(reply.order)))
        results = await asyncio.gather(*reads, return_exceptions=True)
        await link.close()
    return requests, streams[0], results


@settings(max_examples=100, deadline=None)
@given(reply=replies(is_right=True))
def test_right_answers_are_read_in_any_order_and_any_pieces(reply: Reply) -> None:
    """TCP keeps order, not boundaries; a device keeps neither."""
    _, _, results = asyncio.run(play(reply, timeout_s=5))
    read = [result.data.tolist() for result in results if isinstance(result, Reading)]
    assert read == [list(range(100 * at, 101 * at + 1)) for at in range(len(reply.order))]


@settings(max_examples=200, deadline=None)
@given(reply=replies(is_right=False))
def test_what_is_read_was_sent_whole_as_the_answer_to_its_own_transaction(reply: Reply) -> None:
    """Whatever else came; and every other request fails with an error of the link."""
    requests, stream, results = asyncio.run(play(reply, timeout_s=0.02))
    for request, result in zip(requests, results, strict=True):
        if isinstance(result, Reading):
            words = result.data.astype(">u2").tobytes()
            head = request.frame[:2] + bytes((0, 0, 0, 3 + len(words), 1, 3, len(words)))
            assert head + words in stream
        else:
            assert isinstance(result, LinkError)
