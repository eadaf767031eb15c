"""Find remotes whose downloads DVC does not compare with their hashes."""

import configparser
import re
from pathlib import Path

CONFIGS = (Path(".dvc/config"), Path(".dvc/config.local"))  # the second overrides the first


def describe_unverified() -> list[str]:
    """Return a line for each remote of the project without `verify`.

    Reads the files without DVC, which takes longer to import than `code` takes. DVC itself reports
    a file that cannot be parsed.
    """
    config = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        config.read(CONFIGS[0], encoding="utf-8")
        shared = config.sections()
        config.read(CONFIGS[1], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return []
    lines = []
    for section in config.sections():
        found = re.fullmatch(r"""'remote "(.+)"'""", section)
        if found and config.get(section, "verify", fallback="false").lower() != "true":
            level = "" if section in shared else "--local "  # where DVC finds it to change it
            lines.append(
                f"a cut download from the remote {found[1]} would stay in the cache unnoticed: run "
                f"`dvc remote modify {level}{found[1]} verify true`"
            )
    return lines
