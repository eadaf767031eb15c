"""Draw grids of photos, choose fonts, and save pictures; also draw those that show the data."""

import io
import itertools
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager, rcParams, style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageOps

from pawprint.base.errors import name_in_folder, name_some
from pawprint.base.tables import spread
from pawprint.base.threads import map_in_threads
from pawprint.given.archive import Archive
from pawprint.given.decoding.jpeg import decoded_side
from pawprint.given.reading import open_image

GREY = "#666666"
PHOTOS_PER_ROW = 6
PHOTO_SIZE = (224, 224)  # photo size in the grid, in pixels
CELL_WIDTH = 232  # in pixels
CELL_HEIGHT = 292
TITLE_HEIGHT = 40
MARGIN = 4
MAX_TITLE = 22  # maximum characters per title line
# Maximum number of photos per figure.
SAMPLES = 18
MAX_NEAR_DUPLICATES = 24
UNUSUAL = 12
# A function that reads an RGB photo of any size; a title of up to three lines; the title's colour.
Cell = tuple[Callable[[], Image.Image], str, str]
matplotlib.rcdefaults()  # ignore the user's matplotlibrc
style.use(Path(__file__).with_name("pictures.mplstyle"))

_looked_for: set[str] = set()  # characters already looked for


def use_fonts(texts: Iterable[str]) -> None:
    """Use other installed fonts for characters that the default font lacks, such as Chinese.

    All other characters keep the default font. Characters missing from every font are reported on
    stderr.
    """
    warnings.filterwarnings("ignore", "Glyph .* missing from")  # a single message lists all of them
    default = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    missing = {each for each in "".join(texts) if not each.isascii() and is_drawn(each)}
    missing = {each for each in missing - _looked_for if not default.get_char_index(ord(each))}
    _looked_for.update(missing)
    families = []
    for path in sorted(font_manager.findSystemFonts(), key=_is_likely) if missing else ():
        try:
            font = font_manager.get_font(path)
            found = {each for each in missing if font.scalable and font.get_char_index(ord(each))}
        except (OSError, RuntimeError):  # the file is damaged, or FreeType does not know its format
            continue
        if found:
            font_manager.fontManager.addfont(path)  # the font may be newer than Matplotlib's list
            families.append(font.family_name)
            missing -= found
        if not missing:
            break
    if families:
        known = rcParams["font.family"]
        known = ["DejaVu Sans"] if known == ["sans-serif"] else known
        rcParams["font.family"] = [*known, *families]
    if missing:  # emoji need a package of their own, because Matplotlib cannot draw colour fonts
        print(
            f"plots: no installed font has {name_some(sorted(missing))}, so figures show boxes "
            "instead. Install one (Debian and Ubuntu: fonts-noto-core, fonts-noto-cjk for Chinese, "
            "Japanese and Korean, fonts-symbola for emoji) and run `dvc repro -sf split plot`.",
            file=sys.stderr,
        )


def is_drawn(character: str) -> bool:
    """Return whether a character is visible, unlike joiners and variation selectors."""
    is_selector = "\ufe00" <= character <= "\ufe0f"
    return not is_selector and unicodedata.category(character) not in ("Cc", "Cf", "Cs")


def _is_likely(path: str) -> tuple[bool, bool, str]:
    """Return a sort key that puts fonts with many characters first."""
    name = Path(path).name.lower()
    return "cjk" not in name and "noto" not in name, "regular" not in name, path


def shorten(text: str, length: int, end: int | None = None) -> str:
    """Shorten a text to `length` characters, with "…" before the last `end` ones, or the half."""
    end = end or length // 2
    return text if len(text) <= length else f"{text[: length - end - 1]}…{text[-end:]}"


def render(figure: Figure) -> Image.Image:
    """Render the figure as an RGB image."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return Image.fromarray(np.ascontiguousarray(pixels))


def encode(picture: Image.Image, suffix: str) -> bytes:
    """Encode charts as .png and photos as .jpg; equal images result in equal bytes.

    As JPEGs, photos take a sixth of the space, and most runs change and share them.
    """
    data = io.BytesIO()
    if suffix == ".jpg":
        picture.save(data, "JPEG", quality=80, subsampling="4:4:4")
    else:
        # Compared with the default, level 1 takes a third of the time and 3% more space.
        picture.save(data, "PNG", compress_level=1)
    return data.getvalue()


def photo_grid(sections: dict[str, Iterable[Cell]]) -> Image.Image:
    """Draw whole photos in equal squares. Each section starts a new row under its own title.

    Photos are read by several threads and immediately reduced to PHOTO_SIZE, which saves memory.
    """
    cells = {title: list(map_in_threads(_fit, section)) for title, section in sections.items()}
    use_fonts(name for section in cells.values() for _, name, _ in section)
    rows = sum(-(-len(section) // PHOTOS_PER_ROW) for section in cells.values())
    width = CELL_WIDTH * PHOTOS_PER_ROW
    height = CELL_HEIGHT * rows + TITLE_HEIGHT * len(cells)
    figure = Figure(figsize=np.divide((width, height), rcParams["figure.dpi"]))
    figure.set_layout_engine("none")
    placed = []
    top = 0
    for title, section in cells.items():
        y = 1 - (top + TITLE_HEIGHT / 2) / height
        figure.text(MARGIN / width, y, title, va="center", fontsize=11)
        top += TITLE_HEIGHT
        for number, (photo, name, colour) in enumerate(section):
            row, column = divmod(number, PHOTOS_PER_ROW)
            left = CELL_WIDTH * column + MARGIN
            upper = top + CELL_HEIGHT * (row + 1) - MARGIN - photo.height
            placed.append((photo, (left, upper)))
            x = (left + photo.width // 2) / width
            y = 1 - (upper - MARGIN) / height
            figure.text(x, y, name, ha="center", color=colour, fontsize=9)
        top += CELL_HEIGHT * -(-len(section) // PHOTOS_PER_ROW)
    picture = render(figure)
    for photo, place in placed:  # Matplotlib would resample every photo
        picture.paste(photo, place)
    return picture


def _fit(cell: Cell) -> tuple[Image.Image, str, str]:
    read, title, colour = cell
    lines = [shorten(line, MAX_TITLE) for line in title.split("\n")]
    return ImageOps.pad(read(), PHOTO_SIZE, color="#eeeeee"), "\n".join(lines), colour


def reader(archive: Archive, name: str) -> Callable[[], Image.Image]:
    """Return a function that reads a photo, in about the size of a cell."""
    return partial(open_image, archive, name, decoded_side(max(PHOTO_SIZE)))


def samples(train: pd.DataFrame, number: int, by: str = "label") -> pd.DataFrame:
    """Return up to `number` rows from a SPLIT table, the same number per class.

    The column `by` has the classes.
    """
    per_class = max(1, number // train[by].nunique())
    return spread(pd.concat(spread(rows, per_class) for _, rows in train.groupby(by)), number)


def draw_samples(archive: Archive, train: pd.DataFrame) -> Image.Image:
    """Draw evenly spaced training images from each class, with their label and size in pixels.

    `train` is a SPLIT table with the columns `width`, `height` and `stratum`, the class.
    """
    rows = samples(train, SAMPLES, "stratum")
    titles = [f"{row.label}\n{row.width}×{row.height}" for row in rows.itertuples()]
    return draw_first(archive, "Training images", rows, len(train), titles)


def draw_near_duplicates(archive: Archive, near_duplicates: pd.DataFrame) -> Image.Image:
    """Draw the first images in the NEAR_DUPLICATES table, with group number, label and split."""
    groups = near_duplicates["group"].factorize()[0] + 1
    rows = near_duplicates.assign(group=groups).head(MAX_NEAR_DUPLICATES)
    titles = [f"group {row.group}\n{row.label}, {row.split}" for row in rows.itertuples()]
    return draw_first(archive, "Near-duplicates", rows, len(near_duplicates), titles)


def draw_unusual(archive: Archive, found: pd.DataFrame) -> Image.Image:
    """Draw the first images from `find_unusual`, with their places and how they look."""
    rows = found.head(UNUSUAL)
    titles = [f"{name_in_folder(row.path)}\n{row.looks}" for row in rows.itertuples()]
    return draw_first(archive, "Unusual images", rows, len(found), titles)


def draw_first(
    archive: Archive,
    heading: str,
    rows: pd.DataFrame,
    total: int,
    titles: Iterable[str],
    colour: str = GREY,
) -> Image.Image:
    """Draw these of `total` images, each with its title."""
    readers = (reader(archive, path) for path in rows["path"])
    cells = zip(readers, titles, itertools.repeat(colour))
    return photo_grid({f"{heading} ({len(rows):,} of {total:,})": cells})
