"""How a source is shown: without passwords and tokens."""

import re

# Patterns of text of any kind, also of URLs with a mistake, and what is left of them. A password
# may hold any character, so all up to the last @ belongs to it.
PATTERNS = (
    (r"(?:\b([a-z][a-z0-9+.-]+:/+)[^\n]*|//\S*|[^\s'\"(:]*:\S*)@", r"\1"),
    (r"(\b[a-z][a-z0-9+.-]+:/[^\s?#]*)[?#][^\s'\")]*", r"\1"),
    (r"\b([\w-]*(?:token|key|sig|signature|password|secret)=)[^\s&'\")]+", r"\1…"),
)


def hide_secrets(value: object) -> object:
    """The value of a param or section, each text in it as `without_secrets` returns it."""
    if isinstance(value, dict):
        return {key: hide_secrets(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hide_secrets(each) for each in value]
    return without_secrets(value) if isinstance(value, str) else value


def without_secrets(text: str) -> str:
    """Text without what looks like user and password, like query and fragment of a URL, or like the
    value of a token, key, signature or password.
    """
    for pattern, left in PATTERNS:
        text = re.sub(pattern, left, text, flags=re.IGNORECASE)
    return text
