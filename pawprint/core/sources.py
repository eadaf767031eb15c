"""How a source is shown: without passwords and tokens."""

from urllib.parse import urlsplit


def hide_secrets(value: object) -> object:
    """The value of a param or section, each text in it as `without_secrets` returns it."""
    if isinstance(value, dict):
        return {key: hide_secrets(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hide_secrets(each) for each in value]
    return without_secrets(value) if isinstance(value, str) else value


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
