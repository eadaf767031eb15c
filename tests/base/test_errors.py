import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from pawprint.base import errors


def test_stderr_is_restored_after_overlapping_use_in_threads(capfd):
    def use(_) -> None:
        with errors.silent_stderr():
            os.write(2, b"discarded")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(1000)))
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


def test_marks_that_reverse_text_are_escaped_and_joiners_are_not():
    family = "\U0001f469\u200d\U0001f467"
    assert errors.printable(f"{family} \u202egpj.exe\n") == f"{family} \\u202egpj.exe\\n"
    assert errors.printable("cat\u200b.jpg\ufeff") == "cat\\u200b.jpg\\ufeff"
    assert errors.is_printable(family)
    assert not errors.is_printable("\u202egpj")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://user:word@host:8443/a/b.zip", "https://host:8443/a/b.zip"),
        ("https://token@host/b.zip?sig=word&x=1#word", "https://host/b.zip"),
        ("http://user:w@rd@[::1]:80/b.zip", "http://[::1]:80/b.zip"),
        ("https://user:wo/r d@host/b.zip", "https://host/b.zip"),
        ("user:word@host/b.zip", "host/b.zip"),
        ("host/b.zip?a=1&X-Amz-Signature=word&b=2", "host/b.zip?a=1&X-Amz-Signature=…&b=2"),
        ("https://user:word@host/npm/b@1.30.0/b.js", "https://host/npm/b@1.30.0/b.js"),
        ("https://user:word@127.0.0.1/b.zip", "https://127.0.0.1/b.zip"),
        ("file:///photos/b.zip", "file:///photos/b.zip"),
        ("../what?/a#1@home.zip", "../what?/a#1@home.zip"),
        ("C:\\photos\\b.zip", "C:\\photos\\b.zip"),
    ],
)
def test_only_what_is_public_of_a_source_is_shown(source, shown):
    assert errors.without_secrets(source) == shown
    message = f"params.yaml: fetch.source: expected a file. Received: {source!r}"
    assert str(errors.InputError(message)) == message.replace(repr(source), repr(shown))


def test_long_line_of_a_message_is_shortened_in_its_middle():
    first, second = str(errors.InputError(f"labels.csv: a: {10**6 * 'x:@'}. Do this.\nb")).split(
        "\n"
    )
    assert first.startswith("labels.csv: a: ") and first.endswith(". Do this.")
    assert (len(first) < 2 * errors.LONGEST, second) == (True, "b")
