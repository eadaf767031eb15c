import os
from concurrent.futures import ThreadPoolExecutor

from pawprint.errors import is_printable, printable, silent_stderr


def test_stderr_is_restored_after_overlapping_use_in_threads(capfd):
    def use(_) -> None:
        with silent_stderr():
            os.write(2, b"discarded")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(1000)))
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


def test_marks_that_reverse_text_are_escaped_and_joiners_are_not():
    family = "\U0001f469\u200d\U0001f467"
    assert printable(f"{family} \u202egpj.exe\n") == f"{family} \\u202egpj.exe\\n"
    assert is_printable(family)
    assert not is_printable("\u202egpj")
