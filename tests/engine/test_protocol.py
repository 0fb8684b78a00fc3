"""Messages survive the way between the processes."""

import asyncio
import pickle
import socket

import numpy as np
import pytest

from soundproof import errors
from soundproof.audio.waveform import Waveform
from soundproof.engine.protocol import Forget, Link, Ready, encode, receive
from soundproof.smoothing.plan import NoiseName

LEAVES = [cls for group in errors.SoundproofError.__subclasses__() for cls in group.__subclasses__()]


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_error_survives_pickling(leaf: type[errors.SoundproofError]) -> None:
    error = pickle.loads(pickle.dumps(leaf("what is wrong", "what to do")))  # noqa: S301
    assert type(error) is leaf
    assert (error.detail, error.hint) == ("what is wrong", "what to do")


def test_the_time_to_come_back_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(errors.QueueFull("full", "later", 17)))  # noqa: S301
    assert error.retry_after_s == 17


def test_a_waveform_survives_pickling() -> None:
    waveform = Waveform(np.array([[0.5, -0.25]], np.float32), 8000)
    again = pickle.loads(pickle.dumps(waveform))  # noqa: S301
    assert again.sample_rate_hz == 8000
    np.testing.assert_array_equal(again.samples, waveform.samples)


async def test_messages_travel_both_ways_and_the_end_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    link = Link(theirs)
    assert not link.waiting()
    writer.write(encode(Forget(3)) + encode(Forget(4)))
    await writer.drain()
    assert [link.receive(), link.receive()] == [Forget(3), Forget(4)]
    ready = Ready(device="cpu", generators={NoiseName.FLOAT: "g"}, blocks_per_message=1)
    link.send(ready)
    assert await receive(reader) == ready
    writer.close()
    await writer.wait_closed()
    with pytest.raises(EOFError):
        link.receive()
    theirs.close()
