"""Save pictures and choose fonts: what figures, photos and their pages share."""

import sys
import unicodedata
import warnings
from collections.abc import Iterable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import font_manager, rcParams, style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from pawprint.base.errors import name_some
from pawprint.base.files import replacing

GREY = "#666666"

matplotlib.rcdefaults()  # ignore the user's matplotlibrc
style.use(Path(__file__).with_name("drawing.mplstyle"))

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


def shorten(text: str, length: int) -> str:
    """Shorten a text to `length` characters, with "…" in the middle."""
    half = length // 2
    return text if len(text) <= length else f"{text[: length - half - 1]}…{text[-half:]}"


def render(figure: Figure) -> Image.Image:
    """Render the figure as an RGB image."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return Image.fromarray(np.ascontiguousarray(pixels))


def save(picture: Image.Image, path: Path) -> None:
    """Write charts as PNG and photos as JPEG; equal images result in equal bytes.

    As JPEGs, photos take a sixth of the space, and most runs change and share them.
    """
    with replacing(path) as partial:
        if path.suffix == ".jpg":
            picture.save(partial, "JPEG", quality=90, subsampling="4:4:4")
        else:
            # Compared with the default, level 1 takes a third of the time and 3% more space.
            picture.save(partial, "PNG", compress_level=1)
