"""The `docs` command, which prints a page of the documentation."""

import argparse

from pawprint.base.files import read_text
from pawprint.base.package import ROOT
from pawprint.commands import align


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name of a page."""
    summary = "print this page; without one, pages are listed"
    parser.add_argument("page", nargs="?", choices=page_names(), metavar="PAGE", help=summary)


def page_names() -> list[str]:
    """Return the names of all pages, sorted."""
    return sorted(path.stem for path in (ROOT / "docs").glob("*.md"))


def run(arguments: argparse.Namespace) -> None:
    """List the pages of the documentation, or print one as Markdown.

    Messages and comments name pages, such as docs/images.md.

    Examples:
      pawprint docs
      pawprint docs images
    """
    texts = {name: read_text(ROOT / f"docs/{name}.md") for name in page_names()}
    if arguments.page:
        print(texts[arguments.page], end="")
    else:
        print(align((name, text.partition("\n")[0].strip("# ")) for name, text in texts.items()))
