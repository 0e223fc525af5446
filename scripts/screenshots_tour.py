"""Pictures of every screen of the phone page, 360 by 640, and sheets on which many can be looked at together.

Each set is one tour through the page as a user makes it (tests/support/browser_screens.py): the first run and the
drill, camera, help, lists, settings, every state, families, what a bearer opened, an old list, a discreet station. The
pictures go to `build/screenshots/<set>/` and `build/screenshots/<set>.png`, which git leaves out.

    python3 scripts/screenshots --set en --set ar --out build/screenshots
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from PIL import Image, ImageDraw
from playwright.sync_api import Error
from rich.console import Console

from scripts import browser, environment
from tests.support import browser_screens as screens
from tests.support.browser import Browsers
from tests.support.browser_station import StationServer, served
from tests.support.browser_user import User
from tests.support.browser_world import World, make_world
from tests.support.camera_videos import make_video
from verifier.phone_build import load_page

OUT: Final = environment.ROOT / "build" / "screenshots"
THUMB: Final = (270, 480)
COLUMNS: Final = 7
_LABEL_PX: Final = 18


@dataclass(frozen=True)
class Look:
    """One set of pictures.

    Attributes:
        language: code of a language file, or of a pseudo-locale.
        grey: the pictures without their colours.
        whole: the whole length of each screen, not what a phone shows at once.
    """

    language: str = "en"
    dark: bool = False
    grey: bool = False
    text_percent: int = 100
    whole: bool = False


LOOKS: Final[dict[str, Look]] = {
    "en": Look(),
    "fr": Look("fr"),
    "es": Look("es"),
    "ar": Look("ar"),
    "pseudo": Look("en-XA"),
    "grey": Look(grey=True),
    "dark": Look(dark=True),
    "large-text": Look(text_percent=200),
    "whole": Look(whole=True),
}


def make_set(
    look: Look, browsers: Browsers, today: StationServer, old: StationServer, folder: Path
) -> list[Path]:
    """Make the pictures of one set into a folder, which is emptied before; their paths in the order of the tour."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    video = make_video(today.world.cards["confirmed"].print, "blank", folder / "camera.mjpeg")
    made: list[Path] = []
    for server, post in ((today, "border"), (old, "border"), (today, "shelter")):
        phone = browsers.open_page(
            server.url,
            video=video,
            language=look.language,
            dark=look.dark,
            text_percent=look.text_percent,
            reduced_motion=True,
        )
        user = User(phone, look.language)
        for name in _stops(user, server, post, is_first=not made):
            path = folder / f"{len(made) + 1:02d}-{name}.png"
            phone.page.screenshot(path=path, full_page=look.whole, animations="disabled", caret="hide")
            if look.grey:
                Image.open(path).convert("L").save(path)
            made.append(path)
        browsers.close_pages()
    video.unlink()
    return made


def _stops(user: User, server: StationServer, post: str, *, is_first: bool) -> Iterator[str]:
    """The whole tour at first; then the old list, and the discreet station."""
    world: World = server.world
    if is_first:
        return screens.tour(user, world)
    user.first_run(post)
    return screens.discreet(user, world) if post == "shelter" else _stale(user, world)


def _stale(user: User, world: World) -> Iterator[str]:
    screens.wait_for_camera(user)
    yield "old-list-scan"
    user.check(world.cards["confirmed"].text)
    assert user.sees("states.confirmed_stale.word")
    yield "result-confirmed_stale"


def make_sheet(pictures: Sequence[Path], path: Path) -> None:
    """Put pictures side by side, each with its name; those that are longer are shown from their top."""
    opened = [Image.open(picture).convert("RGB") for picture in pictures]
    small = [picture.resize((THUMB[0], picture.height * THUMB[0] // picture.width)) for picture in opened]
    rows = [small[start : start + COLUMNS] for start in range(0, len(small), COLUMNS)]
    heights = [max(picture.height for picture in row) + _LABEL_PX + 6 for row in rows]
    sheet = Image.new("RGB", (COLUMNS * (THUMB[0] + 6), sum(heights)), "#777777")
    draw = ImageDraw.Draw(sheet)
    names = iter(pictures)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            left = column * (THUMB[0] + 6)
            draw.text((left + 4, top + 2), next(names).stem, fill="white")
            sheet.paste(picture, (left, top + _LABEL_PX))
        top += height
    sheet.save(path)


def main(argv: list[str]) -> int:
    """Make the sets that were asked for; the exit code is 1 if a screen could not be reached."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def screenshots(
        sets: Annotated[
            list[str] | None, typer.Option("--set", help=f"One of {', '.join(LOOKS)}; all if absent.")
        ] = None,
        out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = OUT,
    ) -> int:
        """Make pictures of every screen of the phone page."""
        unknown = sorted(set(sets or ()) - set(LOOKS))
        if unknown:
            raise typer.BadParameter(f"not a set: {', '.join(unknown)}")
        return _make(sets or list(LOOKS), out, Console(emoji=False, highlight=False, soft_wrap=True))

    result = app(argv, standalone_mode=False)
    return result if isinstance(result, int) else 0


def _make(names: Sequence[str], out: Path, console: Console) -> int:
    program, page = browser.find(), load_page()
    if program is None or page is None:
        console.print("needs a Chromium and the built page: see CONTRIBUTING.md")
        return 1
    world = make_world(int(time.time()))
    failed = []
    with (
        tempfile.TemporaryDirectory() as folder,
        served(world, Path(folder) / "today", page) as today,
        served(world, Path(folder) / "old", page, old_list=True) as old,
        Browsers(program) as browsers,
        browsers.awake(),
    ):
        for name in names:
            started_s = time.monotonic()
            try:
                made = make_set(LOOKS[name], browsers, today, old, out / name)
            except (AssertionError, Error) as error:
                failed.append(name)
                console.print(f"{name}: {error}", markup=False)
                browsers.close_pages()
                made = sorted((out / name).glob("*.png"))
            if made:
                make_sheet(made, out / f"{name}.png")
            took_s = time.monotonic() - started_s
            console.print(f"{name:<12} {len(made)} pictures in {took_s:.0f} s: {out / name}.png")
    return 1 if failed else 0
