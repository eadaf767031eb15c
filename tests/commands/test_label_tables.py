"""Test tables of labels beside photos, as `pawprint init` reads them."""

import argparse
import contextlib
import csv
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from classes_of import describe_classes
from conftest import PROJECT, photos_of, refused, write_files

from pawprint.base.errors import InputError
from pawprint.commands import init
from pawprint.commands.init import find_classes
from pawprint.given.given_images import open_given
from pawprint.given.label_readings import Asked
from pawprint.given.metadata_csv import FILE_NAME

CASES = yaml.safe_load((PROJECT / "tests/commands/label_tables.yaml").read_text("utf-8"))
NAMES = [f"{number}.jpg" for number in range(6)]
LABELS = dict(zip(NAMES, ["cat", "dog"] * 3))


def read(tmp_path, photos, files, table="", label="", labels="auto", **several):
    """Return what `init` says of the classes, and the rows of metadata.csv, keyed by file."""
    given = write_files(tmp_path / "given", photos_of(photos) | files)
    with open_given(given) as found:
        asked = Asked((given / table,) if table else (), (label,) if label else (), **several)
        found, notes = find_classes(found, labels, asked)
    text = found.read(FILE_NAME).decode() if found.table else ""
    return notes, {row.pop("file_name"): row for row in csv.DictReader(text.splitlines())}


def expand(text: str) -> list[str]:
    """Return the words of a text, in which {00..10..2} stands for 00, 02, and so on up to 10."""
    found = []
    for word in text.split():
        head, *rest = re.split(r"\{(\d+)\.\.(\d+)(?:\.\.(\d+))?\}", word)
        first, last, step, tail = rest or ("0", "0", None, "")
        numbers = range(int(first), int(last) + 1, int(step or 1)) if rest else ()
        found += [f"{head}{n:0{len(first)}}{tail}" for n in numbers] or [word]
    return found


def file_of(name: str, columns, photos: list[str]) -> bytes:
    if not isinstance(columns, dict):
        return columns if isinstance(columns, bytes) else columns.encode()
    words = {"names": photos, "stems": [photo.split("/")[-1][:-4] for photo in photos]}
    cells = {
        column: [*map(str, spec)]
        if isinstance(spec, list)
        else [cell for word in expand(str(spec)) for cell in words.get(word, [word])]
        for column, spec in columns.items()
    }
    number = max(map(len, cells.values()))
    rows = [columns, *zip(*((each * number)[:number] for each in cells.values()))]
    return "".join(("\t,"[name.endswith(".csv")]).join(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("name", CASES)
def test_case_is_read_or_each_way_that_is_printed_works(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    case = dict(CASES[name])
    photos = expand(case.pop("photos", "{00..11}.jpg"))
    asked = case.pop("asked", {})
    reads, asks = case.pop("reads", None), case.pop("asks", None)
    write_files(
        Path("given"),
        photos_of(photos) | {file: file_of(file, case[file], photos) for file in case},
    )

    def said(options: list[str]) -> list[str]:
        parser = argparse.ArgumentParser()
        init.add_arguments(parser)
        arguments = parser.parse_args(["--images", "given", *options])
        with open_given(arguments.images) as found:
            return find_classes(found, arguments.labels, init.asked_of(arguments))[1]

    values = {key: [each] if isinstance(each, str) else each for key, each in asked.items()}
    options = [word for key in values for each in values[key] for word in (f"--{key}", each)]
    if reads:
        notes = said(options)
        assert reads[0] in notes
        assert [text for text in reads if text not in "\n".join(notes)] == []
        return
    with pytest.raises(InputError) as caught:
        said(options)
    message = str(caught.value)
    assert [text for text in asks if text not in message] == []
    for way in re.findall(r"^  (--.*?): (\d+ (?:classes|labels): .*)", message, re.MULTILINE):
        assert way[1] in said(shlex.split(way[0]))


def test_stop_is_printed_as_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (PROJECT / "docs/images.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(xrays: .*?)\n```", page, re.DOTALL)
    table = "Path,Edema,Mass,Fracture\na.jpg,1,0,1\nb.jpg,1,,1\nc.jpg,0,1,0\nd.jpg,-1,1,0\n"
    write_files(Path("xrays"), photos_of(f"{name}.jpg" for name in "abcd") | {"train.csv": table})
    with open_given(Path("xrays")) as found, pytest.raises(InputError) as caught:
        find_classes(found, "auto")
    assert str(caught.value) == shown


def of(rows) -> dict[str, str]:
    return {name: row["label"] for name, row in rows.items()}


def joined(header: str, *rows: tuple) -> str:
    return "".join(f"{','.join(map(str, row))}\n" for row in (header.split(","), *rows))


def rows_of(header: str, labels: dict[str, str]) -> str:
    return joined(header, *labels.items())


STEMS = {name[0]: label for name, label in LABELS.items()}
KAGGLE = rows_of("id,breed", STEMS)
ISIC = joined("image,CAT,DOG,UNK", *((n, "10"[n % 2], n % 2, "0.0") for n in range(6)))
LAST = [(stem, label, "5.jpg" if stem == "5" else "") for stem, label in STEMS.items()]


@pytest.mark.parametrize(
    ("name", "text", "label", "classes"),
    [
        ("train.csv", KAGGLE, "", ["cat", "dog"]),
        ("train.tsv", KAGGLE.replace(",", "\t"), "", ["cat", "dog"]),
        ("truth.csv", ISIC, "", ["CAT", "DOG"]),
        ("NA.csv", KAGGLE.replace("cat", "NA").replace("dog", "001"), "", ["NA", "001"]),
        ("case.csv", joined("id,breed,Label", *LAST), "breed", ["cat", "dog"]),
        ("few names are not the photos.csv", joined("id,label,mask", *LAST), "", ["cat", "dog"]),
        ("and not the last ones.csv", joined("id,label,whole", *LAST), "", ["cat", "dog"]),
        # pandas writes the index as a first column without a name.
        (
            "index.csv",
            joined(",file,label", *((5 - n, *row) for n, row in enumerate(LABELS.items()))),
            "",
            ["cat", "dog"],
        ),
    ],
)
def test_table_gives_each_photo_its_label(tmp_path, name, text, label, classes):
    _, rows = read(tmp_path, NAMES, {name: text}, label=label)
    assert of(rows) == dict(zip(NAMES, classes * 3))


def test_split_group_and_further_columns_are_kept_and_photos_may_have_no_row(tmp_path):
    table = "image,label,split,group,camera\n0,cat,train,a,x\n1,dog,test,b,y\n2,dog,train,c,x\n"
    _, rows = read(tmp_path, NAMES, {"t.csv": f"{table}3,cat,test,d,\n4,,,,\n"})
    assert set(rows) == set(NAMES[:4])
    assert rows["1.jpg"] == {"label": "dog", "split": "test", "group": "b", "camera": "y"}


def test_rows_that_differ_leave_a_photo_unlabelled(tmp_path):
    _, rows = read(tmp_path, NAMES, {"a.csv": f"{KAGGLE}0,dog\n"})
    assert of(rows) == {name: LABELS[name] for name in NAMES[1:]}


def test_link_in_a_table_leads_nowhere_else(tmp_path):
    given = write_files(tmp_path / "given", {"t.csv": KAGGLE})
    (given / "0.jpg").symlink_to(write_files(tmp_path, {"private": "secret"}) / "private")
    with refused("0.jpg", "leads outside", str(given)):
        read(tmp_path, NAMES[1:], {})


THREE = [f"{number}.jpg" for number in range(3)]


@pytest.mark.parametrize("name", ["1.txt", "1.cls", "1.json", "notes/labels.xlsx"])
def test_photos_without_labels_beside_a_file_of_labels_are_refused(tmp_path, name):
    """As in ultralytics/ultralytics 22739: labels were lost without a word."""
    photos = write_files(tmp_path / "photos", photos_of(THREE) | {name: b"cat"})
    with refused(str(photos), name, "metadata.csv", "--labels outer"):
        describe_classes(photos, "auto")
    (line,) = (line for line in describe_classes(photos, "outer") if name in line)
    assert "not read" in line


@pytest.mark.parametrize("name", ["4.txt", "a.md", ".cache/a.csv", "1.jpg.txt", "@eaDir/1.json"])
def test_other_files_do_not_hold_labels(tmp_path, name):
    photos = write_files(tmp_path / "photos", photos_of(THREE) | {name: b"cat"})
    assert not any("labels are not read" in line for line in describe_classes(photos, "auto"))


TWO = joined("id,breed,colour", *((*row, "bw"[int(row[0]) // 3]) for row in STEMS.items()))
SITE = rows_of("id,site", {stem: "ab"[int(stem) // 3] for stem in STEMS})
DISEASES = ["scab", "rust", "scab rust", "rust", "scab", "scab"]
LEAVES = rows_of("image,labels", dict(zip(NAMES, DISEASES)))
MOSS = "3.jpg,rust;moss\n"  # nowhere alone
FLAGS = ["1,0,0", "0,1,0", "1,1,0", "0,1,0", "0,0,0", "0,0,1"]
FLAGGED = joined("id,scab,rust,healthy", *enumerate(FLAGS))
WORDS = [flags.replace("0", "False").replace("1", "True") for flags in FLAGS]  # as pandas writes
OF_WORDS = joined("id,scab,rust,healthy", *enumerate(WORDS))
FOLDED = joined("id,scab,rust,fold", *((n, f"{n % 2},{n // 3},{'xy'[n % 2]}") for n in range(6)))
TAGGED = ["0,0,", *3 * ["1,0,scab"], *2 * ["1,1,['scab' 'rust']"]]
BOTH = joined("id,scab,rust,tags", *enumerate(TAGGED))
BY_CLASS = [f"{label}/{name}" for name, label in zip(NAMES, "aaabbb")]
NESTED = [f"pets/{name}" for name in BY_CLASS]
BY_SITE = [f"{folder}/{name}" for folder in ("A1", "A2") for name in NAMES]
OF_SITES = {f"{folder}/{folder}.csv": KAGGLE for folder in ("A1", "A2")}
CAMERAS = rows_of("file,camera", dict(zip(NAMES, "xyxyxy")))
ZEROS = ("--zeros none", "--zeros unlabelled")
NONE = {"zeros": "none"}
OUTSIDE = "8,cat\n../given/9,dog\n/etc/hosts,cat\n"
REFUSED = [
    (
        NAMES,
        {"t.csv": TWO},
        {},
        ["--table t.csv --label breed: 2 classes: cat (3), dog (3)", "--label colour"],
    ),
    (NAMES, {"t.csv": TWO}, {"label": "age"}, ["named age", "t.csv", "breed"]),
    (NAMES, {"t.csv": SITE}, {}, ["t.csv", "site", "--label COLUMN"]),
    (
        NAMES,
        {"t.csv": KAGGLE, "b.csv": KAGGLE.replace("0,cat", "0,dog")},
        {},
        ["--table b.csv", "--table t.csv"],
    ),
    (NAMES, {"t.csv": ISIC.replace("0,1,0.", "0,0,0.", 1)}, {}, ["1 row ", "line 3", *ZEROS]),
    (NAMES, {"t.csv": FOLDED}, {}, ["--label scab --label rust --zeros none", "--label fold"]),
    (
        NAMES,
        {"t.csv": FLAGGED.replace("0,1,0", "0,1,-1")},
        {},
        [
            "3 rows with blank cells or -1",
            "line 2 (0)",
            "--blanks 0 --zeros none",
            "--blanks unlabelled",
        ],
    ),
    (
        NAMES,
        {"t.csv": FLAGGED.replace("0,1,0", "0,1,")},
        {},
        [
            "3 rows with blank cells or -1",
            "line 2 (0)",
            "--blanks 0 --zeros none",
            "--blanks unlabelled",
        ],
    ),
    (NAMES, {"t.csv": FLAGGED.replace("id,scab", "id,a|b")}, NONE, ["no | in labels", "a|b"]),
    (NAMES, {"t.csv": FLAGGED.replace("id,scab", "id,a?")}, NONE, ["no ? at their end", "a?"]),
    (
        NAMES,
        {"t.csv": LEAVES + MOSS},
        {"label": "labels"},
        ["nowhere alone", "--separator ' '", "--separator ''"],
    ),
    (NAMES, {"t.csv": LEAVES}, {"label": "labels", "separator": "/"}, ["none with --separator /"]),
    (
        NAMES,
        {"t.csv": FLAGGED},
        NONE | {"separator": "/"},
        ["none with --separator / --zeros none", "--zeros unlabelled"],
    ),
    (NAMES, {"t.csv": KAGGLE}, NONE, ["none with --zeros none", "--label breed"]),
    (NAMES, {"t.csv": KAGGLE + OUTSIDE}, {}, ["3 rows", "line 8 (8)", "/etc/hosts"]),
    (NAMES, {"t.csv": KAGGLE, "3.png": b"", "3.jpg": b""}, {}, ["1 row ", "line 5 (3)"]),
    (NAMES, {"t.csv": "id,breed\n0,cat,\x00"}, {}, ["t.csv", "zero bytes"]),
    (NAMES, {"t.csv": TWO.replace("colour", "split")}, {}, ["t.csv", "a split: train", "'b'"]),
    (
        NAMES,
        {"a.csv": "a,b\n7,cat\n8,dog\n"},
        {"table": "a.csv"},
        ["names of files", "a (such as 7)", "a photo is called 0.jpg"],
    ),
    (["x/a.jpg", "y/a.jpg"], {"a.csv": "a,b\na.jpg,cat\n"}, {"table": "a.csv"}, ["their paths"]),
    (NAMES, {"a.xlsx": "{}"}, {"table": "a.xlsx"}, ["CSV or TSV", ".xlsx"]),
    (NAMES, {"t.csv": "0.jpg,cat\n1.jpg,dog\n"}, {"table": "t.csv"}, ["header", "0.jpg"]),
    (NAMES, {"a.csv": "id\n0\n1\n"}, {"table": "a.csv"}, ["column of labels"]),
    (NAMES, {}, {"label": "breed"}, ["named breed", "no table"]),
    (NAMES, {"a.csv": "url,name\nhttps://x.org/9,oak\n"}, {"label": "name"}, ["named name"]),
    (
        BY_SITE,
        OF_SITES,
        {},
        ["--table A1/A1.csv --table A2/A2.csv --label breed", "--labels outer"],
    ),
    (BY_CLASS, {"t.csv": KAGGLE}, {}, ["--table t.csv --label breed", "--labels outer"]),
    ([*NESTED, "9.jpg"], {"t.csv": KAGGLE}, {}, ["--table t.csv --label breed", "--labels inner"]),
]


@pytest.mark.parametrize(("photos", "files", "asked", "words"), REFUSED)
def test_table_in_doubt_is_refused(tmp_path, photos, files, asked, words):
    with pytest.raises(InputError) as caught:
        read(tmp_path, photos, files, **asked)
    said = str(caught.value)
    assert [word for word in (str(tmp_path / "given"), *words) if word not in said] == []


def test_table_beside_the_only_folder_is_named_with_its_columns(tmp_path):
    with pytest.raises(InputError, match=r"1: images(?s:.*)t\.csv \(id, breed\).*--label COLUMN"):
        read(tmp_path, [f"images/P{name}" for name in NAMES], {"t.csv": KAGGLE})


def test_parquet_is_named_with_what_reads_it(tmp_path):
    with refused("data/train-0.parquet", "docs/images.md"):
        read(tmp_path, [], {"data/train-0.parquet": b"PAR1"})


PARTS = [f"images_part_{1 + number % 2}/I{number}.jpg" for number in range(6)]
STEMS_OF_PARTS = [name.rpartition("/")[2] for name in PARTS]
LESIONS = [(f"L{n // 2}", f"I{n}", "nv" if n < 4 else "mel") for n in range(6)]
HAM = joined("lesion_id,image_id,dx", *LESIONS)
GROUPS = ["nv (4)", "kept in photos/metadata.csv", "group", "lesion_id"]
FOLDS = {"train": NAMES, "valid": NAMES[:2]}
FLAGS_OF = {name: f" {label == 'cat':d}, {label == 'dog':d}" for name, label in LABELS.items()}
ROBOFLOW = {
    f"{split}/_classes.csv": rows_of("filename, cat, dog", {name: FLAGS_OF[name] for name in names})
    for split, names in FOLDS.items()
}
SPLITS = ["2 classes: cat (4), dog (4)", "splits: train (6), validation (2)"]
APTOS = {
    "train.csv": rows_of("id_code,diagnosis", dict(zip(STEMS, "040404"))),
    "test.csv": "id_code\nt0\n",
    "sampleSubmission.csv": rows_of("id_code,diagnosis", {"t0": "0"}),
}
NUMBERS = ["found train.csv", "0 (3), 4 (3); 1 unlabelled", "the classes are numbers"]
OTHERS = {"a.csv": "class,latin\ncat,Felis\n", "w.csv": "day,wind\n" + "9,N\n" * 9}
LEFT = "2 classes: CAT (3), DOG (2); 1 unlabelled"
CAT, A, RUST = (
    f"2 classes: {each}" for each in ("cat (3), dog (3)", "a (3), b (3)", "not_rust (3)")
)
READ = [
    ([*(f"train_images/{name}" for name in NAMES), "test_images/t0.jpg"], APTOS, {}, NUMBERS),
    (PARTS, {"m.csv": HAM, "hmnist.csv": "p0,label\n9,1\n"}, {"label": "dx"}, GROUPS),
    (STEMS_OF_PARTS, {"HAM_metadata": HAM}, {}, ["found HAM_metadata", *GROUPS]),  # no suffix
    ([f"{split}/{name}" for split in FOLDS for name in FOLDS[split]], ROBOFLOW, {}, SPLITS),
    (BY_SITE, OF_SITES, {"label": "breed"}, ["cat (6), dog (6)"]),
    (NAMES, {"t.csv": TWO}, {"label": "colour"}, ["b (3), w (3)"]),
    (NAMES, {"t.csv": SITE}, {"label": "site"}, [A]),
    (BY_CLASS, {"t.csv": KAGGLE}, {"table": "t.csv"}, [CAT]),
    (BY_CLASS, {"t.csv": KAGGLE}, {"labels": "outer"}, [A, "t.csv"]),
    # Tables that say the same as the folders, something else, or too little.
    (BY_CLASS, {"t.csv": rows_of("id,code", dict(zip(STEMS, "000111")))}, {}, [A]),
    (BY_CLASS, {"t.csv": rows_of("file,width", dict(zip(NAMES, STEMS)))}, {}, [A]),
    (BY_CLASS, {"t.csv": SITE.replace("a", "b", 1)}, {}, [A, "t.csv (id, site)"]),
    (BY_CLASS, {"t.csv": KAGGLE[:24]}, {}, [A]),
    (BY_CLASS, {"t.csv": CAMERAS}, {}, [A]),
    (BY_CLASS, OTHERS, {}, [A, "not read: a.csv (class, latin), w.csv (day, wind)"]),
    (NAMES, {"t.csv": LEAVES}, {"label": "rust"}, [RUST]),
    (NAMES, {"t.csv": LEAVES.replace("b r", "b|r")}, {"label": "rust"}, [RUST]),
    (NAMES, {"t.csv": FLAGGED}, {"label": "rust"}, [RUST]),
    (NAMES, {"t.csv": ISIC}, {"label": "CAT"}, ["CAT (3), not_CAT (3)"]),
    (NAMES, {"t.csv": OF_WORDS}, NONE, ["3 labels: healthy (1), rust (3), scab (2); 1 with none"]),
    (NAMES, {"t.csv": BOTH}, NONE, ["2 labels: rust (2), scab (5); 1 with none"]),
    (NAMES, {"t.csv": ISIC.replace("0,1,0.", "0,0,0.", 1)}, NONE, ["2 labels", "1 with none"]),
    (NAMES, {"t.csv": FLAGGED}, {"zeros": "unlabelled"}, ["1 of 5 photos", "1 unlabelled"]),
    (NAMES, {"t.csv": ISIC.replace("0,1,0.", "0,0,0.", 1)}, {"zeros": "unlabelled"}, [LEFT]),
]


@pytest.mark.parametrize(("photos", "files", "asked", "words"), READ)
def test_what_is_read_is_said(tmp_path, photos, files, asked, words):
    notes = "\n".join(read(tmp_path, photos, files, **asked)[0])
    assert [word for word in words if word not in notes] == []


IN_CELLS = {"0.jpg": "scab", "1.jpg": "rust", "2.jpg": "rust|scab", "3.jpg": "rust"}
IN_CELLS |= {"4.jpg": "scab", "5.jpg": "scab"}


@pytest.mark.parametrize(
    ("text", "asked", "cells"),
    [
        (LEAVES, {}, IN_CELLS),
        (LEAVES.replace("b r", "b|r"), {}, IN_CELLS),
        (LEAVES.replace("scab rust", '"rust, scab"'), {}, IN_CELLS),
        (LEAVES.replace(",", ";").replace("b r", "b|r"), {}, IN_CELLS),
        (LEAVES.replace("scab rust", "['scab' 'rust']"), {}, IN_CELLS),
        (LEAVES.replace("scab rust", "scab;rust;"), {}, IN_CELLS),
        (
            LEAVES.replace("scab rust", "\"['black scab', 'rust']\""),
            {},
            IN_CELLS | {"2.jpg": "black scab|rust"},
        ),
        (
            LEAVES.replace("b r", "b/moss/r"),
            {"separator": "/"},
            IN_CELLS | {"2.jpg": "moss|rust|scab"},
        ),
        (
            FLAGGED,
            {"zeros": "none"},
            dict(zip(NAMES, ["scab", "rust", "rust|scab", "rust", "none", "healthy"])),
        ),
    ],
)
def test_labels_that_a_row_joins_are_a_cell(tmp_path, text, asked, cells):
    notes, rows = read(tmp_path, NAMES, {"t.csv": text}, **asked)
    assert of(rows) == cells
    shown = f"1 of 6 photos show several labels, and {[*cells.values()].count('none')} show none"
    assert f"{shown}: clean.several_labels is true" in notes


@pytest.mark.parametrize("cell", ["scab, and rust", "moss|rust"])
def test_cell_is_one_label_unless_it_joins_others(tmp_path, cell):
    notes, rows = read(tmp_path, NAMES, {"t.csv": LEAVES.replace("scab rust", f'"{cell}"')})
    assert of(rows)["2.jpg"] == cell
    assert not any("several" in note for note in notes)


SLIDES = {f"S{n:02}": "ab"[n % 2] for n in range(6)}
TILES = [f"{slide}/x/{number}.jpg" for slide in SLIDES for number in range(2)]
SITES = [f"dep{site}/IMG_{number}.JPG" for site in range(2) for number in range(4)]


def test_table_of_folders_labels_the_photos_in_them_which_are_groups(tmp_path):
    text = joined("slide,pages,diagnosis", *((s, n, SLIDES[s]) for n, s in enumerate(SLIDES)))
    asked = {"label": "diagnosis"}
    notes, rows = read(tmp_path, TILES, {"slides.csv": f"{text}S99,8,b\n"}, **asked)
    assert "found slides.csv, with the folders in slide, labels in diagnosis" in notes
    assert "2 classes: a (6), b (6)" in notes and "1 row without photos: line 8 (S99)" in notes
    assert rows["S00/x/1.jpg"] == {"label": "a", "pages": "0", "group": "S00"}


def test_column_called_label_has_the_labels_of_folders_and_an_empty_group_is_the_folder(tmp_path):
    cells = [(s, n // 3, "h" * (n < 3), SLIDES[s]) for n, s in enumerate(SLIDES)]
    table = joined("slide,pages,Group,label", *cells)
    _, rows = read(tmp_path, TILES, {"t.csv": table}, table="t.csv")
    assert rows["S00/x/1.jpg"] == {"label": "a", "pages": "0", "Group": "h"}
    assert rows["S05/x/1.jpg"] == {"label": "b", "pages": "1", "Group": "S05"}


def test_folder_of_a_view_is_no_patient(tmp_path):
    photos = [f"{patient}/{view}/0.png" for patient in range(1, 8) for view in range(1, 4)]
    text = joined("patient,age,type", *((n, 50 + n, "ab"[n % 2]) for n in range(1, 7)))
    notes, rows = read(tmp_path, photos, {"t.csv": text}, "t.csv", "type")
    assert "2 classes: a (9), b (9); 3 unlabelled" in notes
    assert rows["2/1/0.png"] == {"label": "a", "age": "52", "group": "2"}


HABITATS = [f"site{site}/{kind}/{n}.jpg" for site in range(4) for kind in "ab" for n in range(2)]
# Photos with tables that may have the labels, and the columns that may be the labels, of which the
# first one is.
IN_DOUBT = {
    "two breeds a kind, named like slides": (
        [f"n{breed}/{n}.jpg" for breed in range(1, 5) for n in range(3)],
        "wnid,name,kind\nn1,pug,a\nn2,corgi,a\nn3,manx,b\nn4,birman,b\n",
        "t.csv (kind)",
    ),
    "slides of two hospitals": (
        TILES,
        joined("slide,type,from", *((s, SLIDES[s], s < "S03") for s in SLIDES)),
        "t.csv (type, from)",
    ),
    "folder and name in two columns": (
        SITES,
        joined("Ort,Bild,Art", *((s[:4], s[5:], "ab"[int(s[9]) % 2]) for s in SITES)),
        "t.csv (Art)",
    ),
    "habitats of sites with folders of species": (
        HABITATS,
        "site,habitat\nsite0,a\nsite1,b\nsite2,a\nsite3,b\n",
        "t.csv (habitat)",
    ),
}


@pytest.mark.parametrize("layout", IN_DOUBT)
def test_table_that_may_have_the_labels_needs_a_choice_which_works(tmp_path, layout):
    photos, text, words = IN_DOUBT[layout]
    table, label = re.match(r"(\S+) \((\w+)", words).groups()
    half = len(photos) // 2
    with pytest.raises(InputError) as caught:
        read(tmp_path, photos, {"t.csv": text})
    way = f"--table {table} --label {label}: 2 classes: a ({half}), b ({half})"
    assert way in str(caught.value) and "--labels outer: " in str(caught.value)
    assert ("--labels inner: " in str(caught.value)) == (photos is HABITATS)
    notes, _ = read(tmp_path, photos, {"t.csv": text}, table, label)
    assert f"2 classes: a ({half}), b ({half})" in notes
    if photos is HABITATS:
        assert notes[1] in read(tmp_path, photos, {"t.csv": text}, labels="inner")[0]


def test_tags_of_azure_custom_vision_are_read_as_the_page_says(tmp_path):
    page = (PROJECT / "docs/images.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"### Azure.*?```python\n(.*?)```", page, re.DOTALL)
    stored = write_files(tmp_path / "stored", photos_of(NAMES))
    images = [
        {"id": name[0], "originalImageUri": (stored / name).as_uri(), "tags": [{"tagName": label}]}
        for name, label in LABELS.items()
    ]
    batches = {f"azure/{n}.json": json.dumps(images[3 * n :][:3]) for n in range(2)}
    write_files(tmp_path, batches)
    with contextlib.chdir(tmp_path):
        exec(program, {})
    files = {path.name: path.read_bytes() for path in (tmp_path / "azure").iterdir()}
    _, rows = read(tmp_path, [], files)
    assert of(rows) == LABELS
