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
        config.read(CONFIGS, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return []
    remotes = {
        found[1]: config.get(section, "verify", fallback="false")
        for section in config.sections()
        if (found := re.fullmatch(r"""'remote "(.+)"'""", section))
    }
    return [
        f"a cut download from the remote {name} would stay in the cache unnoticed: run "
        f"`dvc remote modify {name} verify true`"
        for name, verify in remotes.items()
        if verify.lower() != "true"
    ]
