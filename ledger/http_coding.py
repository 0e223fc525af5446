"""One content coding for an answer at the most: the library undoes each of a stack whole, before any cap is asked.

64 KiB of gzip in gzip become 64 GiB in memory; one gzip of them 64 MiB, after which the reader's cap ends it.

    with client.stream("GET", path) as answer:
        check_coding(answer)
        for part in answer.iter_bytes(): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who only reads files needs no client
    import httpx


def check_coding(answer: httpx.Response) -> None:
    """Refuse an answer with more than one content coding, before any of its content is read.

    Raises:
        httpx.DecodingError: it has; callers treat it as an answer that cannot be read.
    """
    import httpx

    if len(answer.headers.get_list("Content-Encoding", split_commas=True)) > 1:
        raise httpx.DecodingError("more than one content coding")
