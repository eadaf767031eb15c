"""Create the screenshot in README: `python -m bench.screenshot FOLDER`.

FOLDER is a project in which `dvc repro` has finished. The screenshot shows the top of its report in
Chromium and, below a line, the first photos. The SHA-256 of the report's texts is stored
in the file, so that a test can detect a screenshot of an outdated page.
"""

import argparse
import ast
import hashlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, PngImagePlugin
from playwright.sync_api import Page, sync_playwright

from examples.demo import PROJECT
from pawprint.base import paths

TEMPLATES = ["report.html", "sentences.txt"]
MODULES = ["report/charts.py", "report/pages.py", "report/photos.py", "scores/limits.py"]
MODULES += ["scores/metrics.py", "scores/slices.py", "base/labels.py"]
KEY = "SHA-256 of the report's texts"  # key in the metadata of the file
PICTURE = PROJECT / "docs/report.png"
WIDTH = 1100  # in pixels
HEIGHTS = {"h1": 600, "#photos": 340}  # in pixels, starting at these elements
MARGIN = 30  # in pixels, above an element


def texts_sha256() -> str:
    """Return the SHA-256 of the templates and modules' strings that a screenshot can show.

    Docstrings and code are not included, so that only edits of texts make a screenshot outdated.
    """
    package = PROJECT / "pawprint"
    texts = [(package / "report/templates" / name).read_text("utf-8") for name in TEMPLATES]
    for name in MODULES:
        texts += strings(ast.parse((package / name).read_text("utf-8")))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def strings(tree: ast.Module) -> Iterator[str]:
    """Yield a module's strings, and the texts of its f-strings, without docstrings."""
    # A docstring is a statement by itself.
    apart = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
            yield node.value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of a project")
    options = parser.parse_args()
    report = (options.folder / paths.REPORT).resolve()
    with sync_playwright() as playwright:
        # Use the system's browser, or else Playwright's own. Our own page needs no sandbox.
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": max(HEIGHTS.values())})
        page.goto(report.as_uri())
        parts = [shoot(page, selector, height) for selector, height in HEIGHTS.items()]
        browser.close()
    picture = Image.new("RGB", (WIDTH, sum(part.height for part in parts) + 1))
    picture.paste(parts[0])
    picture.paste(parts[1], (0, parts[0].height + 1))
    more = PngImagePlugin.PngInfo()
    more.add_text(KEY, texts_sha256())
    picture.quantize(256).save(PICTURE, pnginfo=more, optimize=True)


def shoot(page: Page, selector: str, height: int) -> Image.Image:
    """Return a screenshot, WIDTH by `height` pixels, that starts at an element of a page."""
    top = page.locator(selector).bounding_box()["y"] - MARGIN
    clip = {"x": 0, "y": max(top, 0), "width": WIDTH, "height": height}
    return Image.open(io.BytesIO(page.screenshot(clip=clip, full_page=True))).convert("RGB")


if __name__ == "__main__":
    main()
