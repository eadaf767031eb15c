"""Show the progress of a loop, as a bar on a terminal."""

from collections.abc import Iterable

from tqdm import tqdm


def track(
    items: Iterable | None, title: str, total: int | None = None, unit: str = "image"
) -> tqdm:
    """Yield the items and show how many are taken. `total` is needed if they have no length.

    Without items, the bar's `update` counts up to `total`, or without an end if it is None. The
    unit "B" is shown with prefixes, such as "MB". There is no bar if the output is not a terminal.
    """
    return tqdm(items, title, total, unit=unit, unit_scale=unit == "B", disable=None)
