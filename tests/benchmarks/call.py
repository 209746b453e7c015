"""Runs one client in a process of its own: ``python -m tests.benchmarks.call CLIENT PORT BYTES``.

It makes the array document of that size, and prints an empty line. Then it obeys the lines that it
reads, and prints one for each: ``small`` calls with a small document, ``call`` with the large
one and prints the seconds that it took, ``check`` does so and compares the response, ``collect``
collects garbage. It ends when its standard input does.
"""

from __future__ import annotations

import gc
import os
import sys
import time

from tests.benchmarks.clients import CLIENTS
from tests.benchmarks.documents import KIB, array_document, same


def main(name: str, port: str, nbytes: str) -> None:
    """Obey until standard input ends."""
    responses = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library has to say does not belong among the responses
    document, small = array_document(int(nbytes)), array_document(64 * KIB)
    call = CLIENTS[name](f"http://127.0.0.1:{port}/array")
    print(file=responses, flush=True)
    for line in sys.stdin:
        command = line.strip()
        told = ""
        if command == "small":
            call(small)
        elif command == "call":
            before = time.perf_counter()
            call(document)
            told = repr(time.perf_counter() - before)
        elif command == "check":
            if not same(call(document), document):
                raise RuntimeError(f"{name} gives another document than it was sent")
        else:
            gc.collect()
        print(told, file=responses, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
