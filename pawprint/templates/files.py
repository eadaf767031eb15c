"""The text of each file that `pawprint init` writes, from those at the top of the repository.

`requirements.txt` has a line for this package, by the place it was installed from.
"""

import json
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pawprint.dataset.sources import OF_SYSTEMS
from pawprint.errors import InputError, printable, without_secrets
from pawprint.files import parse_yaml, read_text, read_yaml
from pawprint.package import DISTRIBUTION, ROOT
from pawprint.project import PARAMS

README = Path(__file__).with_name("README.md")
IGNORED = """\
/.venv/
/data/
/dvc_plots/
/models/
/plots/augmented.png
/plots/errors.png
/plots/labels_to_review.png
/plots/near_duplicates.png
/plots/predictions.png
/plots/report.html
/plots/samples.png
__pycache__/
"""
CONFIG = ".dvc/config"
IGNORE = (".dvcignore", ".gitignore")


def template(name: str) -> str:
    """The text of a file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def files(source: str) -> dict[str, str]:
    """The text of each file by its path, without `params.yaml`, the tables of the user, and CONFIG.

    `source` is that of the images, relative to the project.
    """
    is_outside = Path(source).is_absolute() or ".." in Path(source).parts
    is_tracked = not is_outside and not source.endswith((".yaml", ".yml"))  # by DVC
    plots = (path.relative_to(ROOT).as_posix() for path in (ROOT / ".dvc/plots").glob("*.json"))
    ignored = IGNORED + f"/{source}\n" * is_tracked
    return {
        ".dvcignore": "".join(f"{name}\n" for name in ("/.venv", *OF_SYSTEMS)),
        ".gitattributes": template(".gitattributes"),
        ".gitignore": ignored,
        "README.md": README.read_text(encoding="utf-8"),
        "dvc.yaml": pipeline(is_outside),
        "requirements.txt": requirements(),
        **{name: template(name) for name in sorted(plots)},
    }


def pipeline(is_outside: bool) -> str:
    """`dvc.yaml`, whose stages are those of the installed package.

    `code` runs always: no dependency says that the package has changed. Where the source lies
    outside of the project, a failed `dvc repro` keeps the images that were fetched from it.
    """
    text = template("dvc.yaml").replace("python -m stages.", "python -m pawprint.stages.")
    text = text.replace(
        "    deps: [params.yaml, pawprint, requirements.txt, stages]\n",
        "    deps: [params.yaml, requirements.txt]\n    always_changed: true\n",
    )
    if is_outside:
        text = text.replace("[data/raw/archives]", "[data/raw/archives: {persist: true}]")
    return text


def require_stages(path: Path) -> None:
    """Raise InputError if a stage of the package differs from that of its own `dvc.yaml`.

    DVC would keep results that are out of date: as after an upgrade, where the user has changed
    `dvc.yaml` and it is kept. A project may add stages, and to a stage deps, params, outs, metrics,
    plots, other commands and what runs its command, such as `nice`. It may change `desc`, `meta`,
    and the options of outs, metrics and plots that are not in KEPT. A stage whose script is the
    project's own is not compared.
    """
    stages = (read_yaml(path) or {}).get("stages") or {}
    for name, stage in parse_yaml(pipeline(False), "template")["stages"].items():
        if (path.parent / f"stages/{name}.py").is_file():
            continue
        own = stages.get(name) or {}
        rules = list(_rules(own))
        for key, rule in _rules(stage):
            if (key, rule) not in rules:
                raise InputError(
                    f"{path}: stages.{name}.{key}: expected {rule}, as the package's stage has it. "
                    f"Received: none of it. Add it, or after an upgrade take all of {path}.new."
                )
        for key, value in own.items():
            if value and key not in (*stage, *LISTS, *ABOUT):
                raise InputError(
                    f"{path}: stages.{name}.{key}: expected none. Received: {printable(str(value))}"
                    ". Remove it."
                )


ABOUT = ("desc", "meta")
LISTS = ("deps", "params", "outs", "metrics", "plots")
KEPT = {"cache", "persist"}  # options of an output
COMMAND = r"py\S*(?: -\S+)*? -m (\S+)"


def _rules(stage: dict) -> Iterator[tuple[str, str]]:
    """What decides when DVC runs a stage and which files it keeps, as keys with text."""
    for key, value in stage.items():
        for entry in value if isinstance(value, list) else [value]:
            if key == "cmd":
                yield from ((key, f"python -m {it}") for it in re.findall(COMMAND, entry))
            elif key in LISTS[2:] and isinstance(entry, dict):
                for output, options in entry.items():
                    yield key, output
                    for option in KEPT & (options or {}).keys():
                        yield key, f"{output}: {{{option}: {json.dumps(options[option])}}}"
            elif key not in ABOUT:
                yield key, entry if isinstance(entry, str) else json.dumps(entry)


def requirements(given: str = "") -> str:
    """The exact versions of all packages, and the line of this one.

    What another requirements.txt has beside these comes last: its lines for other packages,
    options and comments. Its extras of this package are kept.
    """
    # With the lines that continue one, such as those of hashes, and indented comments below it.
    entries = re.split(r"(?<!\\)\n(?![ \t])", given.rstrip())
    lines = {entry: read_line(entry) for entry in entries if entry.strip()}
    earlier = [entry for entry in lines.values() if entry and entry.name == DISTRIBUTION]
    text = f"{template('requirements.txt')}{requirement(*earlier[:1])}\n"
    names = {entry.name for line in text.splitlines() if (entry := read_line(line))}
    others = (line for line, entry in lines.items() if not (entry and entry.name in names))
    return with_lines(text, others)


def with_lines(text: str, lines: Iterable[str]) -> str:
    """The text with those of the lines at its end that it lacks."""
    present = text.splitlines()
    return text + "".join(f"{line}\n" for line in lines if line not in present)


class Named(NamedTuple):
    """A distribution as a line of requirements.txt names it; `address` may be a version."""

    name: str
    extras: str  # such as "[app]", or ""
    address: str


def read_line(line: str) -> Named | None:
    """The distribution of a line; None for a comment, an option, or a name that only pip finds."""
    text = re.split(r"\s(?:#|--|\\)", line.strip())[0].strip()
    if egg := re.search(r"[#&]egg=([\w.-]+)(\[[\w,.-]*\])?", text):
        return Named(canonicalize_name(egg[1]), egg[2] or "", text.partition("#")[0])
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        return None
    extras = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
    address = parsed.url or str(parsed.specifier).removeprefix("==")
    return Named(canonicalize_name(parsed.name), extras, address)


def requirement(earlier: Named | None = None) -> str:
    """Such as `pawprint-dvc @ git+https://host/pawprint@v0.2.0`: never a bare name.

    The extras of an earlier line are kept, and its user at the same address. Raises InputError if
    the package is not installed, as where a clone of it runs without.
    """
    version, origin = _installed()
    extras = earlier.extras if earlier else ""
    if origin is None:
        return f"{DISTRIBUTION}{extras}=={version}"
    url = origin["url"]
    if git := origin.get("vcs_info"):
        tag = git.get("requested_revision")
        address = f"{git['vcs']}+{url}@{tag if tag == f'v{version}' else git['commit_id']}"
        user = earlier and re.search(r"://([^/@]*@)", earlier.address)
        if user and _plain(earlier.address)[0] == _plain(address)[0]:
            address = re.sub(r"://(?:[^/@]*@)?", f"://{user[1]}", address, count=1)
    else:
        hashes = origin.get("archive_info", {}).get("hashes", {})
        # A query that may hold a token is for whoever installs it.
        address = url if without_secrets(url) == url else url.partition("?")[0]
        address += "".join(f"#{name}={value}" for name, value in list(hashes.items())[:1])
    if address.startswith("git+file:"):  # older versions of pip need this form
        return f"{address}#egg={DISTRIBUTION}{extras}"
    return f"{DISTRIBUTION}{extras} @ {address}"


def require_installed(path: Path) -> None:
    """Raise InputError unless the installed package is the one that a requirements.txt names."""
    version, origin = _installed()
    entries = [entry for line in read_text(path).splitlines() if (entry := read_line(line))]
    addresses = [entry.address for entry in entries if entry.name == DISTRIBUTION]
    if not any(_is_origin(address, version, origin) for address in addresses):
        installed = version if origin is None else read_line(requirement()).address
        received = printable(_readable(" ".join(addresses))) or "no line of it"
        raise InputError(
            f"{path}: expected the package that is installed, {_readable(installed)}. Received: "
            f"{received}. To install that, run `pip install --force-reinstall --no-deps` with its "
            "line; to keep what is installed, run `pawprint upgrade`."
        )


def _is_origin(address: str, version: str, origin: dict | None) -> bool:
    """Whether this address or version is where the installed package comes from."""
    if origin is None:
        return address == version
    git = origin.get("vcs_info")
    url, revision, sha256 = _plain(address)
    if url != _plain(f"{git['vcs']}+{origin['url']}@" if git else origin["url"])[0]:
        return False
    if git:
        is_commit = len(revision) > 6 and git["commit_id"].startswith(revision)
        return is_commit or revision == (git.get("requested_revision") or "")
    return sha256 in ("", origin.get("archive_info", {}).get("hashes", {}).get("sha256"))


def _plain(address: str) -> tuple[str, str, str]:
    """The URL without user, query and fragment, the revision, and the SHA-256, each perhaps ""."""
    sha256 = re.search(r"[#&]sha256=(\w+)", address)
    url = re.sub(r"://[^/@]*@", "://", re.split("[?#]", address)[0])
    revision = ""
    if re.match(r"\w+\+.*@", url):  # of several @ the last, as pip has it
        url, _, revision = url.rpartition("@")
    return url.rstrip("/"), revision, sha256[1] if sha256 else ""


def _readable(address: str) -> str:
    """Without user, and without what looks like a password before an @."""
    return re.sub(r"@(?=[^@\s]+)", " at ", re.sub(r"://[^/@\s]*@", "://", address))


def _installed() -> tuple[str, dict | None]:
    """The version, and what pip recorded of the origin: None for an index of packages (PEP 610)."""
    for distribution in distributions(name=DISTRIBUTION):
        if distribution.read_text("INSTALLER"):  # not what a build left in the current folder
            text = distribution.read_text("direct_url.json")
            return distribution.version, json.loads(text) if text else None
    raise InputError(
        f"{DISTRIBUTION}: expected the package to be installed. Received: a folder of it. Run "
        "`pip install` with that folder."
    )


# Params of earlier versions, and what to set instead.
REPLACED = {
    "calibrate.views": "calibrate.test_time_augmentation",
    "model.fine_tune_last": "model.fine_tune_at (-24 for 24, the number of layers for 0)",
    "plot.likely_wrong_labels": "plot.labels_to_review",
}


def flat(text: str) -> dict[str, object]:
    """The value of each param by its name, such as `model.alpha`.

    Raises InputError if the text is no YAML, or not made of sections.
    """
    content = parse_yaml(text, str(PARAMS))
    if not isinstance(content, dict) or not all(
        isinstance(section, dict) for section in content.values()
    ):
        raise InputError(f"{PARAMS}: expected sections with params. Received: something else.")
    return {f"{name}.{key}": value for name, keys in content.items() for key, value in keys.items()}
