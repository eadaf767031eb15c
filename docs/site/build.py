"""Build the site: `make docs` writes build/site/, and fails on any warning, such as a dead link.

The pages are Markdown that GitHub and similar sites also display, so nothing is added to them. This
program copies them to build/pages/, with the README as the first page, generates the reference, and
runs Sphinx on the copy.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

from reference import commands_page, params_page, python_page, stages_page
from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# All pages are in the navigation, because Sphinx warns about missing ones.
NAVIGATION = {
    "Start": ["tutorial", "install", "costs"],
    "Train": [
        "images",
        "splits",
        "several-labels",
        "boxes",
        "app",
        "backbones",
        "recipes",
        "evaluation",
        "sharing",
    ],
    "Use the model": ["use"],
    "Reference": [
        "params",
        "pipeline",
        "troubleshooting",
        "security",
        "reference/python",
        "reference/commands",
        "reference/params",
        "reference/stages",
    ],
    "Project": [
        "model_card",
        "development",
        "contributing",
        "reporting",
        "decisions/README",
        "changelog",
    ],
}
# Pages outside docs/ are renamed on the site.
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}


def main() -> int:
    """Gather the pages, build the site from them, and return the exit status of Sphinx."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="the folder of the pages")
    parser.add_argument("--output", type=Path, default=ROOT / "build", help="a folder to write to")
    arguments = parser.parse_args()
    pages, site = arguments.output / "pages", arguments.output / "site"
    for folder in (pages, site):
        shutil.rmtree(folder, ignore_errors=True)
    gather(arguments.docs, pages)
    options = ["--fail-on-warning", "--keep-going", "--quiet"]
    status = sphinx([*options, "-c", str(HERE), str(pages), str(site)])
    if not status:
        print(f"docs: open {site / 'index.html'}")
    return status


def gather(docs: Path, pages: Path) -> None:
    """Copy the pages, generate the reference, and add the navigation to the first page."""
    shutil.copytree(docs, pages, ignore=shutil.ignore_patterns("site"))
    for name, new in OUTSIDE.items():
        text = (docs.parent / name).read_text(encoding="utf-8")
        text = text.replace("](docs/", "](")
        write(pages / new, re.sub(r"\]\((\w+\.md)", renamed, text))
    shutil.copy(docs.parent / "LICENSE", pages)
    for page in pages.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        write(page, re.sub(r"\]\(\.\./(\w+\.md)", renamed, text))
    reference = {
        "python": python_page(),
        "commands": commands_page(),
        "params": params_page(),
        "stages": stages_page(),
    }
    for name, text in reference.items():
        write(pages / "reference" / f"{name}.md", text)
    for caption, names in NAVIGATION.items():
        add_navigation(pages / "index.md", names, f":caption: {caption}")
    add_navigation(pages / "decisions/README.md", ["*"], ":glob:")


def renamed(link: re.Match[str]) -> str:
    """Return the beginning of a link to a page, using the page's name on the site."""
    return f"]({OUTSIDE.get(link[1], link[1])}"


def add_navigation(page: Path, names: list[str], option: str) -> None:
    """Append pages to the site's side navigation below a page."""
    lines = ["", "```{toctree}", ":hidden:", option, "", *names, "```", ""]
    with page.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines))


def write(path: Path, text: str) -> None:
    """Write a page."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
