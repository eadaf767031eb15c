import os
import threading

from pawprint.errors import is_printable, printable, silent_stderr


def test_stderr_is_restored_after_overlapping_use_in_threads(capfd):
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with silent_stderr():
            inside.set()
            leave.wait(10)

    def second() -> None:
        with silent_stderr():
            os.write(2, b"discarded")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()
    leave.set()
    for thread in threads:
        thread.join()
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"


def test_marks_that_reverse_text_are_escaped_and_joiners_are_not():
    family = "\U0001f469\u200d\U0001f467"
    assert printable(f"{family} \u202egpj.exe\n") == f"{family} \\u202egpj.exe\\n"
    assert is_printable(family)
    assert not is_printable("\u202egpj")
