import pytest

from pawprint.core.sources import without_secrets


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://user:word@host:8443/a/b.zip", "https://host:8443/a/b.zip"),
        ("https://token@host/b.zip?sig=word&x=1#word", "https://host/b.zip"),
        ("http://user:w@rd@[::1]:80/b.zip", "http://[::1]:80/b.zip"),
        ("https://host/repository@1.0/b.zip", "https://host/repository@1.0/b.zip"),
        ("https://user:wo/rd@host/b.zip", "https://…"),
        ("https://user:wo?rd@host/b.zip", "https://…"),
        ("https://[half:word", "https://…"),
        ("ftp://user:word@host/b.zip", "ftp://host/b.zip"),
        ("file:///photos/b.zip", "file:///photos/b.zip"),
        ("../what?/a#1@home.zip", "../what?/a#1@home.zip"),
        ("C:\\photos\\b.zip", "C:\\photos\\b.zip"),
        ("imagenet", "imagenet"),
    ],
)
def test_only_what_is_public_of_a_source_is_shown(source, shown):
    assert without_secrets(source) == shown
