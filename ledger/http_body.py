"""The body of an HTTP answer of somebody who is not believed: capped while it is unpacked, and in time.

RFC 9110, section 8.4. A client that unpacks whatever `Content-Encoding` names can be given a body of a few hundred
bytes, packed several times over, that fills the memory before its size is looked at. Here gzip is unpacked once
and never further than the cap, any other coding is refused, and so is an answer that comes so slowly that it
would never end.

    with client.stream("GET", path, headers=ASK_ENCODING) as answer:
        data = read_body(answer, 65_536, field=path)
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ledger.errors import StorageError

if TYPE_CHECKING:  # whoever has an answer has loaded it
    import httpx

ASK_ENCODING: Final = {"Accept-Encoding": "gzip, identity"}
"""Header of a request; every other coding is refused."""
GRACE_S: Final = 120.0
MIN_BYTES_PER_S: Final = 512
"""An answer is given up where it has had this time, and is slower than this from its beginning on."""
_SPARE_BYTES: Final = 1024
"""What gzip may add to data that cannot be packed."""
_GZIP: Final = 16 + zlib.MAX_WBITS


class CappedBody:
    """A body that arrives in parts, as they come over the network.

    Args:
        encoding: the header Content-Encoding, or "".
        max_size: the most bytes that it may have, unpacked.
        field: what the errors name.
        clock: seconds that only rise.

    Raises:
        StorageError: code not_reachable, a coding that was not asked for.
    """

    def __init__(
        self, encoding: str, max_size: int, *, field: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        coding = encoding.strip().lower()
        if coding not in ("", "identity", "gzip"):
            raise self._fails("the answer has an encoding that was not asked for", field)
        self._unpacker = zlib.decompressobj(_GZIP) if coding == "gzip" else None
        self._max_size = max_size
        self._field = field
        self._clock = clock
        self._start = clock()
        self._received = 0
        self._data = bytearray()

    def add(self, part: bytes) -> None:
        """Take the next part.

        Raises:
            StorageError: code too_large; not_reachable, it is too slow or not what its encoding says.
        """
        self._received += len(part)
        waited_s = self._clock() - self._start
        if waited_s > GRACE_S and self._received < waited_s * MIN_BYTES_PER_S:
            raise self._fails("the answer comes too slowly", self._field)
        if self._unpacker is not None:
            try:
                part = self._unpacker.decompress(part, self._max_size - len(self._data) + 1)
            except zlib.error as error:
                raise self._fails("the answer cannot be unpacked", self._field) from error
        self._data += part
        if max(len(self._data), self._received - _SPARE_BYTES) > self._max_size:
            raise StorageError("the answer is too large", field=self._field, code="too_large")

    def finish(self) -> bytes:
        """Return the body.

        Raises:
            StorageError: code not_reachable, it is cut.
        """
        if self._unpacker is not None and not self._unpacker.eof:
            raise self._fails("the answer is cut", self._field)
        return bytes(self._data)

    @staticmethod
    def _fails(detail: str, field: str) -> StorageError:
        return StorageError(detail, field=field, code="not_reachable")


def read_body(answer: httpx.Response, max_size: int, *, field: str) -> bytes:
    """Read the body of a streamed answer; errors as `CappedBody`."""
    body = _begin(answer, max_size, field)
    for part in (answer.content,) if answer.is_stream_consumed else answer.iter_raw():
        body.add(part)
    return body.finish()


async def read_body_async(answer: httpx.Response, max_size: int, *, field: str) -> bytes:
    """As `read_body`, for an asynchronous client."""
    body = _begin(answer, max_size, field)
    if answer.is_stream_consumed:
        body.add(answer.content)
    else:
        async for part in answer.aiter_raw():
            body.add(part)
    return body.finish()


def _begin(answer: httpx.Response, max_size: int, field: str) -> CappedBody:
    # What has been read already (by a client without a socket) has been unpacked, too.
    encoding = "" if answer.is_stream_consumed else answer.headers.get("Content-Encoding", "")
    return CappedBody(encoding, max_size, field=field)
