"""How a source is shown: without passwords and tokens."""

from urllib.parse import urlsplit


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
