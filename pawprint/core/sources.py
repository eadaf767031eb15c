"""How a source is shown: without passwords and tokens."""

from urllib.parse import urlsplit


def hide_secrets(value: object) -> object:
    """The value of a param; a text, also in a list, as `without_secrets` returns it."""
    values = value if isinstance(value, list) else [value]
    shown = [without_secrets(each) if isinstance(each, str) else each for each in values]
    return shown if isinstance(value, list) else shown[0]


def without_secrets(source: str) -> str:
    """The URL without user, password, query and fragment; a path as it is.

    Of a URL that is not valid only the scheme is left, because its parts are unknown.
    """
    scheme, separator, _ = source.partition("://")
    if not separator:
        return source
    try:
        url = urlsplit(source)
        _ = url.port  # raises ValueError for a password with a slash, which ends the host too early
    except ValueError:
        return f"{scheme}://…"
    return url._replace(netloc=url.netloc.rpartition("@")[2], query="", fragment="").geturl()
