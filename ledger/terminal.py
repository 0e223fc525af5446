"""What the three command lines need of a terminal before they print."""

from __future__ import annotations

import sys


def accept_any_console() -> None:
    """Print characters that a console cannot show as escapes, instead of failing in the middle of a verdict."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
