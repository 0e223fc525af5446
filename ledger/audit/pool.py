"""The chunks of an audit, one after the other, examined by worker processes where there are many.

for chunk in examined_chunks("data", source, head.tree_size, 4, lambda: keys): ...
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_all_start_methods, get_context
from typing import Final

from ledger.audit.chunk import (
    CHUNK_ENTRIES,
    FIRST_CHUNK_ENTRIES,
    ExaminedChunk,
    Keys,
    examine,
    examine_chunk,
)
from ledger.audit.source import Source
from ledger.errors import StorageError

FEW_CHUNKS: Final = 4
"""Below this many chunks the processes would take longer to start than to work."""
AHEAD_PER_JOB: Final = 3


def examined_chunks(
    source_name: str, source: Source, size: int, jobs: int, keys: Callable[[], Keys], start: int = 0
) -> Iterator[ExaminedChunk]:
    """Yield the chunks of a ledger in order.

    Args:
        source_name: opened again by each worker process.
        source: the source, open.
        size: tree size of the audited head.
        jobs: worker processes; 1 does all in this one.
        keys: gives the keys that the replay knows when a chunk is asked for.
        start: index of the first entry, a multiple of 256.

    Raises:
        ForkAlarm, StorageError: as the source; a worker process has died.
    """
    yield examine(source, start, min(start + FIRST_CHUNK_ENTRIES, size), size, keys())
    starts = range(start + FIRST_CHUNK_ENTRIES, size, CHUNK_ENTRIES)
    # One after the other: the size is only a number until entries come.
    ranges = ((first, min(first + CHUNK_ENTRIES, size)) for first in starts)
    if jobs <= 1 or len(starts) < FEW_CHUNKS:
        for first, stop in ranges:
            yield examine(source, first, stop, size, keys())
        return
    # A server of forks has imported the code once; where there is none, each worker imports it.
    method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
    context = get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["ledger.audit.chunk"])
    # What is there at the start stays: the collector need not look at it again and again.
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=gc.freeze) as pool:
        waiting: deque[Future[ExaminedChunk]] = deque()
        try:
            for first, stop in ranges:
                waiting.append(pool.submit(examine_chunk, source_name, first, stop, size, keys()))
                if len(waiting) >= jobs * AHEAD_PER_JOB:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise StorageError("a worker process of the audit has died", field="jobs") from error
        finally:
            for future in waiting:
                future.cancel()
