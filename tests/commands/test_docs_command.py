"""Test the `docs` command, and that it has the pages that messages name."""

import re

from conftest import MODULES, PROJECT, run

from pawprint.commands.docs import page_names


def test_pages_that_messages_name_are_printed_with_an_installed_package(installed, tmp_path):
    texts = [(PROJECT / path).read_text(encoding="utf-8") for path in MODULES]
    named = {*re.findall(r"`pawprint docs[\s\"f]+([\w-]+)`", "\n".join(texts))}
    assert {"images", "params", "pipeline"} <= named <= {*page_names()}
    listed = installed.succeed("pawprint", "docs", cwd=tmp_path)
    assert [line.split()[0] for line in listed.splitlines()] == page_names()
    for name in named:
        page = (PROJECT / f"docs/{name}.md").read_text(encoding="utf-8")
        assert installed.succeed("pawprint", "docs", name, cwd=tmp_path) == page


def test_an_unknown_page_is_refused_with_the_names_of_all(tmp_path):
    refused = run("pawprint", "docs", "imges", cwd=tmp_path)
    assert refused.returncode and all(name in refused.stderr for name in page_names())
