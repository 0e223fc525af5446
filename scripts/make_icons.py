"""The phone page's icons as PNG, drawn as `verifier/web/public/icon.svg` is; a second run leaves no diff.

    $ .venv/bin/python -m scripts.make_icons

Plain lines on a plain square: an icon on a home screen says nothing of what the page is for. The maskable one fills
its square, for systems that cut icons to a shape of their own, and keeps its lines in the middle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

from scripts import environment

FOLDER: Final = environment.ROOT / "verifier" / "web" / "public" / "icons"
_BLUE: Final = "#0b4f8a"
_SIDE: Final = 48
"""Side of the drawing in units of icon.svg."""
_LINES: Final = ((14, 15, 34), (14, 24, 34), (14, 33, 26))
"""Start, height and end of each line, 4 units thick with round ends."""
_OVER: Final = 8
"""Drawn larger and scaled down, for smooth edges."""


def draw_icon(side_pixels: int, *, maskable: bool = False) -> Image.Image:
    """Return the icon; maskable with its drawing in the middle 80 per cent, where nothing is cut off."""
    scale = side_pixels * _OVER / _SIDE
    whole = Image.new("RGBA", (side_pixels * _OVER, side_pixels * _OVER), (0, 0, 0, 0))
    pen = ImageDraw.Draw(whole)
    box = (0, 0, whole.width - 1, whole.height - 1)
    if maskable:
        pen.rectangle(box, fill=_BLUE)
    else:
        pen.rounded_rectangle(box, radius=10 * scale, fill=_BLUE)
    shrink = 0.8 if maskable else 1.0
    for start, height, end in _LINES:
        at = [(_SIDE / 2 + (value - _SIDE / 2) * shrink) * scale for value in (start, height, end)]
        thick = 2 * scale * shrink
        pen.rounded_rectangle(
            (at[0] - thick, at[1] - thick, at[2] + thick, at[1] + thick), radius=thick, fill="white"
        )
    return whole.resize((side_pixels, side_pixels), Image.Resampling.LANCZOS).quantize(32)


def main() -> None:
    """Write the three files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    _write(draw_icon(192), FOLDER / "192.png")
    _write(draw_icon(512), FOLDER / "512.png")
    _write(draw_icon(512, maskable=True), FOLDER / "maskable.png")


def _write(icon: Image.Image, path: Path) -> None:
    icon.save(path, optimize=True)


if __name__ == "__main__":
    main()
