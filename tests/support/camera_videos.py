"""Videos of a printed card for a browser's fake camera: what a phone sees above a table.

The print is laid on a table of 1280 by 720 pixels, and what light, hand and lens do to it is done to the picture.
Everything follows from the scene and a seed, so the same video is made everywhere. The file is MJPEG, JPEG pictures one
after the other, which Chromium shows 30 times a second, again and again.

| scene   | what it shows                                                       | pixels a module (version 19) |
|---------|---------------------------------------------------------------------|------|
| clean   | flat, 2 degrees askew                                               | 5.0  |
| rotated | turned by 37 degrees, as it is held out across a table              | 3.9  |
| dim     | a lamp far away: a fifth of the light, and the noise of that        | 5.0  |
| glare   | a lamp on the lamination, wandering over the code                   | 5.0  |
| blurred | out of focus, sigma 1.9 pixels                                      | 5.0  |
| creased | folded once upright and flattened, half of it in the shade          | 4.9  |
| distant | an arm's length away                                                | 2.6  |
| moving  | wanders through the picture, each frame smeared over 7 pixels       | 5.0  |
| blank   | the table alone                                                     |      |

    make_video(card.print, "glare", folder / "glare.mjpeg", seed=1)
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH: Final = 1280
HEIGHT: Final = 720
FRAMES: Final = 6
_QUALITY: Final = 85
_TABLE: Final = (150, 124, 98)
_SHADE: Final = 40
"""How much darker the table gets from one corner to the other."""
MakeVideo = Callable[..., Path]
"""What the fixture `camera_video` gives: print, scene and seed in, the video's path out."""


@dataclass(frozen=True)
class Scene:
    """What is done to the picture of a card.

    Attributes:
        scale: pixels of the picture for one of the print (300 dpi; a module has 5.9).
        angle: degrees, against the clock.
        wander_px: how far the card moves to both sides of the middle in one round of the video.
        light: share of the light that is there.
        noise: largest change of a pixel by the sensor, of 255.
        blur_px: sigma of the lens.
        smear_px: how far the card moves while one frame is taken.
        glare: a lamp is reflected.
        crease: the print was folded.
        card: false for the table alone.
    """

    scale: float = 0.85
    angle: float = 2.0
    wander_px: float = 4.0
    light: float = 1.0
    noise: int = 6
    blur_px: float = 0.6
    smear_px: int = 0
    glare: bool = False
    crease: bool = False
    card: bool = True


SCENES: Final[Mapping[str, Scene]] = {
    "clean": Scene(),
    "rotated": Scene(angle=37.0, scale=0.66),
    "dim": Scene(light=0.2, noise=9),
    "glare": Scene(glare=True),
    "blurred": Scene(blur_px=1.9),
    "creased": Scene(crease=True),
    "distant": Scene(scale=0.44),
    "moving": Scene(wander_px=110.0, smear_px=7),
    "blank": Scene(card=False),
}


def make_video(card: Image.Image, scene: str, path: Path, *, seed: int = 0, frames: int = FRAMES) -> Path:
    """Write the video of a card and return its path.

    Args:
        card: the print, grey or in colours, 300 dpi.
        scene: one of `SCENES`.
        path: new file; by its ending, `.mjpeg`, Chromium knows what it is.
        seed: another one gives other noise and another place of the table's grain.
        frames: pictures of one round.
    """
    path.write_bytes(b"".join(make_frame(card, SCENES[scene], n, frames, seed) for n in range(frames)))
    return path


def make_frame(card: Image.Image, scene: Scene, number: int, frames: int, seed: int) -> bytes:
    """Return one picture of the video as JPEG."""
    chance = random.Random(f"{seed}/{number}")
    turn = 2 * math.pi * number / frames
    picture = _table(seed).copy()
    if scene.card:
        shown = _creased(card) if scene.crease else card
        middle = (
            WIDTH / 2 + scene.wander_px * math.sin(turn),
            HEIGHT / 2 + scene.wander_px / 4 * math.cos(turn),
        )
        _lay(picture, shown.convert("L"), scene, middle)
        if scene.glare:
            _reflect(picture, middle, turn)
    if scene.smear_px:
        picture = _smeared(picture, scene.smear_px)
    if scene.blur_px:
        picture = picture.filter(ImageFilter.GaussianBlur(scene.blur_px))
    if scene.light != 1:
        picture = picture.point(_times(scene.light))
    picture = _noisy(picture, scene.noise, chance)
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=_QUALITY, subsampling="4:2:0")
    return out.getvalue()


@lru_cache(maxsize=4)
def _table(seed: int) -> Image.Image:
    """A wooden table, lit from one side."""
    chance = random.Random(seed)
    slope = Image.linear_gradient("L").rotate(chance.choice((0, 90, 180, 270))).resize((WIDTH, HEIGHT))
    shade = slope.point(lambda value: 255 - value * _SHADE // 255)
    grain = Image.frombytes("L", (16, HEIGHT // 8), chance.randbytes(16 * (HEIGHT // 8)))
    grain = grain.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).point(lambda value: 235 + value // 13)
    light = ImageChops.multiply(shade, grain)
    bands = [light.point(_times(level / 255)) for level in _TABLE]
    return Image.merge("RGB", bands)


def _lay(picture: Image.Image, card: Image.Image, scene: Scene, middle: tuple[float, float]) -> None:
    """Put the card on the table, its middle at a place that need not be a whole pixel."""
    size = (round(card.width * scene.scale), round(card.height * scene.scale))
    small = card.resize(size, Image.Resampling.LANCZOS)
    angle = math.radians(scene.angle)
    sin, cos = math.sin(angle), math.cos(angle)
    x, y = middle
    # Where a pixel of the table comes from on the card.
    matrix = (
        cos, sin, size[0] / 2 - cos * x - sin * y,
        -sin, cos, size[1] / 2 + sin * x - cos * y,
    )  # fmt: skip
    place = (WIDTH, HEIGHT)
    how = (Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    laid = small.transform(place, *how)
    mask = Image.new("L", size, 255).transform(place, *how)
    beside = Image.new("L", place, 0)
    beside.paste(mask, (5, 6))
    shadow = beside.filter(ImageFilter.GaussianBlur(5)).point(_times(0.45))
    picture.paste((20, 16, 12), (0, 0), shadow)
    # Paper is not quite white and ink not quite black.
    tone = laid.point(lambda value: 34 + value * 206 // 255)
    picture.paste(Image.merge("RGB", (tone, tone, tone.point(_times(0.97)))), (0, 0), mask)


def _creased(card: Image.Image) -> Image.Image:
    """Fold the card once, a little left of its middle, and flatten it: two halves that no longer lie in one plane."""
    width, height = card.size
    fold = int(width * 0.34)
    rise = int(height * 0.02)
    # Each half is a quadrilateral of the print: at the fold the paper stands up, so it looks a little taller.
    left = (0, 0, 0, height, fold, height - rise, fold, rise)
    right = (fold, rise, fold, height - rise, width, height, width, 0)
    mesh = [((0, 0, fold, height), left), ((fold, 0, width, height), right)]
    folded = card.convert("L").transform(card.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)
    half = folded.crop((fold, 0, width, height)).point(_times(0.68))
    folded.paste(half, (fold, 0))
    ImageDraw.Draw(folded).line((fold, 0, fold, height), fill=90, width=3)
    return folded


def _reflect(picture: Image.Image, middle: tuple[float, float], turn: float) -> None:
    """Reflect a lamp: a spot that is all white in its middle and wanders over the code."""
    x = middle[0] - 160 + 240 * math.cos(turn)
    y = middle[1] + 150 * math.sin(turn)
    spot = Image.new("L", picture.size, 0)
    ImageDraw.Draw(spot).ellipse((x - 62, y - 44, x + 62, y + 44), fill=255)
    halo = spot.filter(ImageFilter.GaussianBlur(18)).point(_times(1.2))
    picture.paste((255, 255, 250), (0, 0), halo)


def _smeared(picture: Image.Image, length_px: int) -> Image.Image:
    """The mean of the picture at so many places side by side."""
    mean = picture
    for number in range(1, length_px):
        mean = Image.blend(mean, ImageChops.offset(picture, number, 0), 1 / (number + 1))
    return mean


def _noisy(picture: Image.Image, strength: int, chance: random.Random) -> Image.Image:
    raw = Image.frombytes("L", picture.size, chance.randbytes(WIDTH * HEIGHT))
    noise = raw.point(_times(2 * strength / 255))
    return ImageChops.add(picture, Image.merge("RGB", (noise, noise, noise)), 1, -strength)


def _times(factor: float) -> Callable[[int], float]:
    return lambda value: min(255.0, value * factor)
