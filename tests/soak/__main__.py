"""Soak a server: ``python -m tests.soak --seconds 60``.

Sixteen clients send good requests, bad ones and such as are cut off, all of them in random order
and then anew. The run fails, with status 1 and the reason, if

- a response is not what it has to be, or does not come within ``PATIENCE`` seconds;
- the server logs a warning or an error, or ends;
- it needs ``ALLOWANCE`` more memory in the last third of the time than in the middle one. The
  first third is for allocators, caches and thread pools to come to what they need.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from typing import Final

import httpx2

from tests.soak.exchanges import EXCHANGES, Visitor
from tests.soak.server import Server, running

CLIENTS: Final = 16
LARGE_AT_ONCE: Final = 4
PATIENCE: Final = 30.0
MIB: Final = 1024 * 1024
ALLOWANCE: Final = 64 * MIB
ENOUGH: Final = 100
"""Failures after which a run ends."""

SAMPLING: Final = 0.05
"""Seconds from one look at the server's memory to the next."""


class Soak:
    """One run and its result.

    Args:
        server: the server.
        seconds: how long.
    """

    def __init__(self, server: Server, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._start = 0.0
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.peaks = [0, 0, 0]
        """Most resident bytes in each third of the time."""

    async def run(self) -> None:
        url = f"http://127.0.0.1:{self._server.port}"
        large = asyncio.Semaphore(LARGE_AT_ONCE)
        async with httpx2.AsyncClient(base_url=url, timeout=None, trust_env=False) as http:
            visitors = [
                Visitor(http, self._server.port, random.Random(number), large)
                for number in range(CLIENTS)
            ]
            # The server has loaded its app when these have responses, and has needed the most.
            await asyncio.gather(*(self._call("large array", visitor) for visitor in visitors))
            self._start = time.monotonic()
            sampling = asyncio.create_task(self._sample())
            try:
                await asyncio.gather(*map(self._visit, visitors))
            finally:
                sampling.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sampling

    async def _visit(self, visitor: Visitor) -> None:
        names = list(EXCHANGES)
        while True:
            visitor.random.shuffle(names)
            for name in names:
                is_over = time.monotonic() - self._start >= self._seconds
                if is_over or len(self.failures) >= ENOUGH:
                    return
                await self._call(name, visitor)

    async def _call(self, name: str, visitor: Visitor) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await EXCHANGES[name](visitor)
        except Exception as exc:
            self.failures.append(f"{name}: {type(exc).__name__}: {exc}")
        else:
            self.counts[name] += 1

    async def _sample(self) -> None:
        while self._server.is_running():
            third = int((time.monotonic() - self._start) / self._seconds * 3)
            third = min(third, 2)  # the last responses may come after the time
            self.peaks[third] = max(self.peaks[third], self._server.resident())
            await asyncio.sleep(SAMPLING)
        self.failures.append("the server has ended")

    def reasons(self) -> list[str]:
        """Why the run failed; empty if it did not."""
        reasons = self.failures[:10]
        if len(self.failures) > 10:
            reasons.append(f"and {len(self.failures) - 10} failures more")
        if log := self._server.log():
            reasons.append(f"the server logged:\n{log[-4000:]}")
        _, middle, last = self.peaks
        if last > middle + ALLOWANCE:
            growth = (last - middle) / MIB
            reasons.append(f"the server's memory grew by {growth:.0f} MiB in the last third")
        return reasons

    def table(self) -> str:
        """How often each exchange went well, and the memory."""
        lines = [f"{name:<24}{self.counts[name]:>8}" for name in EXCHANGES]
        lines.append(f"{'all':<24}{self.counts.total():>8}")
        for third, peak in zip(("first", "middle", "last"), self.peaks, strict=True):
            lines.append(f"{f'RSS, {third} third':<24}{peak / MIB:>8.0f} MiB")
        return "\n".join(lines)


def main() -> int:
    """Run, print the table, and return the status to exit with."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--app", default="tests.soak.app:app", help="module:name, with its routes")
    arguments = parser.parse_args()
    with running(arguments.app) as server:
        soak = Soak(server, arguments.seconds)
        asyncio.run(soak.run())
        print(soak.table())
        reasons = soak.reasons()
    for reason in reasons:
        print(reason, file=sys.stderr)
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
