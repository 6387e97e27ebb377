"""The end of servers on an event loop of their own, whatever their clients are doing just then."""

import asyncio
import socket

from tests.fakes.faults import WAIT


async def hang_up(*listeners: socket.socket) -> None:
    """Take in nobody any more, stop what serves anybody, and cut every connection of this loop.

    To come before the servers are closed: what one of them leaves open, or has just accepted, is
    the garbage collector's, and its warning fails whichever test is next.
    """
    loop = asyncio.get_running_loop()
    for listener in listeners:
        loop.remove_reader(listener)
    for _ in ("transport", "task"):  # What was accepted has neither at once.
        await asyncio.sleep(0)
    if serving := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in serving:
            task.cancel()
        await asyncio.wait(serving, timeout=WAIT)
    for transport in list(loop._transports.values()):  # type: ignore[attr-defined]
        transport.abort()
