"""Test what all commands have in common."""

import argparse
import importlib
import inspect
import re

import pytest

from pawprint.__main__ import COMMANDS

MODULES = [name for name, _ in COMMANDS.values()]


@pytest.mark.parametrize("name", MODULES)
def test_help_ends_with_an_example_and_explains_each_argument(name):
    module = importlib.import_module(f"pawprint.commands.{name}")
    assert re.search(r"\n\nExamples?:\n(  \S.*(\n|$))+$", inspect.getdoc(module.run))
    parser = argparse.ArgumentParser(add_help=False)
    module.add_arguments(parser)
    actions = [
        action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)
    ]
    assert [action.dest for action in actions if not action.help] == []
