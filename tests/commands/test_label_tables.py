"""Test tables of labels beside photos, as `pawprint init` reads them."""

import csv

import pytest
from classes_of import describe_classes
from conftest import photos_of, refused, write_files

from pawprint.commands.init import create
from pawprint.commands.label_tables import NOTHING, Asked

NAMES = [f"{number}.jpg" for number in range(6)]
LABELS = dict(zip(NAMES, ["cat", "dog"] * 3))
KAGGLE = "id,breed\n" + "".join(f"{name[0]},{label}\n" for name, label in LABELS.items())
ISIC = "image,CAT,DOG,UNK\n" + "".join(
    f"{name[0]},{label == 'cat':d}.0,{label == 'dog':d}.0,0.0\n" for name, label in LABELS.items()
)


def made(tmp_path, files, asked=NOTHING) -> dict[str, dict[str, str]]:
    """Return the rows of photos/metadata.csv in a new project, keyed by file."""
    photos = photos_of(NAMES)
    given = write_files(tmp_path / "given", photos | files)
    create(tmp_path / "p", given, None, asked=asked)
    table = (tmp_path / "p/photos/metadata.csv").read_text(encoding="utf-8")
    rows = {row.pop("file_name"): row for row in csv.DictReader(table.splitlines())}
    for name in photos:
        assert (tmp_path / "p/photos" / name).read_bytes() == photos[name]
    return rows


def of(rows) -> dict[str, str]:
    return {name: row["label"] for name, row in rows.items()}


@pytest.mark.parametrize(
    ("name", "text", "classes"),
    [
        ("train.csv", KAGGLE, None),
        ("train.tsv", KAGGLE.replace(",", "\t"), None),
        ("truth.csv", ISIC, {"cat": "CAT", "dog": "DOG"}),
        ("NA.csv", KAGGLE.replace("cat", "NA").replace("dog", "001"), {"cat": "NA", "dog": "001"}),
    ],
)
def test_table_gives_each_photo_its_label(tmp_path, name, text, classes):
    labels = of(made(tmp_path, {name: text}))
    assert labels == {name: (classes or {}).get(label, label) for name, label in LABELS.items()}


def test_tables_of_several_splits_are_one(tmp_path):
    """Roboflow writes a _classes.csv into each split. Names may be the same in two splits."""
    files = photos_of([*(f"train/{name}" for name in NAMES), *(f"valid/{n}" for n in NAMES[:2])])
    for split, names in (("train", NAMES), ("valid", NAMES[:2])):
        rows = (f"{n}, {LABELS[n] == 'cat':d}, {LABELS[n] == 'dog':d}\n" for n in names)
        files[f"{split}/_classes.csv"] = "".join(["filename, cat, dog\n", *rows]).encode()
    given = write_files(tmp_path / "given", files)
    notes = create(tmp_path / "p", given, None)
    assert "splits: train (6), validation (2)" in notes
    assert "2 classes: cat (4), dog (4)" in notes


def test_split_group_and_further_columns_are_kept_and_photos_may_have_no_row(tmp_path):
    rows = "image,label,split,group,camera\n0,cat,train,a,x\n1,dog,test,b,y\n2,dog,train,c,x\n"
    table = made(tmp_path, {"t.csv": rows + "3,cat,test,d,\n4,,,,\n"})
    assert set(table) == set(NAMES[:4])
    assert table["1.jpg"] == {"label": "dog", "split": "test", "group": "b", "camera": "y"}


def test_numbers_of_rows_are_not_names_and_other_splits_are_not_lost_in_silence(tmp_path):
    """pandas writes the index as a first column without a name."""
    rows = "".join(f"{5 - n},{name},{LABELS[name]},fold{n}\n" for n, name in enumerate(NAMES))
    files = photos_of(NAMES) | {"t.csv": f",file,label,Split\n{rows}"}
    given = write_files(tmp_path / "given", files)
    notes = create(tmp_path / "p", given, None)
    assert "found t.csv, with the files in file, labels in label" in notes
    assert any("split is not used" in note and "fold0" in note for note in notes)
    table = (tmp_path / "p/photos/metadata.csv").read_text(encoding="utf-8")
    labels = [tuple(row.split(",")[:2]) for row in table.split()[1:]]
    assert labels == [*LABELS.items()]


@pytest.mark.parametrize("column", ["mask", "original"])
def test_few_names_with_suffixes_are_not_the_photos(tmp_path, column):
    rows = "".join(f"{n[0]},{LABELS[n]},{n if n == '5.jpg' else ''}\n" for n in NAMES)
    assert of(made(tmp_path, {"t.csv": f"id,label,{column}\n{rows}"})) == LABELS


def test_rows_that_differ_leave_a_photo_unlabelled(tmp_path):
    assert of(made(tmp_path, {"a.csv": f"{KAGGLE}0,dog\n"})) == {n: LABELS[n] for n in NAMES[1:]}


@pytest.mark.parametrize("label", ["", "breed"])
def test_tables_of_several_folders_name_the_photos_of_their_folders(tmp_path, label):
    folders = ("A1", "A2")
    files = photos_of([f"{folder}/{name}" for folder in folders for name in NAMES])
    files |= {f"{folder}/{folder}.csv": KAGGLE.encode() for folder in folders}
    given = write_files(tmp_path / "given", files)
    if label:
        notes = create(tmp_path / "p", given, asked=Asked(label=label))
        assert "2 classes: cat (6), dog (6)" in notes
        return
    with refused(str(given), "A1.csv, A2.csv", "12 of their images", "--label COLUMN"):
        create(tmp_path / "p", given)


@pytest.mark.parametrize("name", ["data/train-00000-of-00001.parquet", "one.parquet"])
def test_parquet_is_named_with_what_reads_it(tmp_path, name):
    given = write_files(tmp_path / "given", {name: b"PAR1"})
    with refused(name, "docs/images.md"):
        create(tmp_path / "p", given if "/" in name else given / name)


ONE = "--label NAME"
MISSING = ["3 rows", "line 8 (8)", "/etc/hosts"]
TWO = "id,breed,colour\n" + "".join(f"{n[0]},{LABELS[n]},{'bw'[int(n[0]) // 3]}\n" for n in NAMES)


@pytest.mark.parametrize(
    ("files", "asked", "words"),
    [
        ({"t.csv": TWO}, {}, ["t.csv", "breed, colour", "--label"]),
        ({"t.csv": TWO}, {"label": "age"}, ["t.csv", "named age", "breed"]),
        ({"t.csv": KAGGLE, "submission.csv": KAGGLE}, {}, ["submission.csv", "--table"]),
        (
            {"t.csv": ISIC.replace("0.0,1.0", "1.0,1.0", 1)},
            {},
            ["t.csv", "1 row", "line 3", "CAT, DOG", ONE],
        ),
        ({"t.csv": ISIC.replace("0.0,1.0", "0.0,0.0", 1)}, {}, ["line 3", "no class", ONE]),
        ({"t.csv": f"{KAGGLE}0,['cat' 'dog']\n"}, {}, ["line 8", ONE]),
        ({"t.csv": f"{KAGGLE}8,cat\n../given/9,dog\n/etc/hosts,cat\n"}, {}, MISSING),
        ({"t.csv": "id,breed\n0,cat,\x00"}, {}, ["no photo has a label", "t.csv"]),
        ({"a.csv": "a,b\n7,cat\n8,dog\n"}, {"table": "a.csv"}, ["names of files", "a, b"]),
        (
            {"x/a.jpg": b"", "y/a.jpg": b"", "a.csv": "a,b\na.jpg,cat\n"},
            {"table": "a.csv"},
            ["paths", "a.jpg, which is in several folders"],
        ),
        ({"a.jsonl": "{}"}, {"table": "a.jsonl"}, ["CSV or TSV", ".jsonl"]),
        ({"t.csv": "0.jpg,cat\n1.jpg,cat\n2.jpg,dog\n"}, {"table": "t.csv"}, ["header", "0.jpg"]),
        ({"t.csv": KAGGLE, "3.png": b"", "3.jpg": b""}, {}, ["1 rows", "line 5 (3)"]),
        ({"a.csv": "id\n0\n1\n"}, {"table": "a.csv"}, ["column of labels"]),
        ({}, {"label": "breed"}, ["no table", "breed"]),
        ({"a.csv": "url,name\nhttps://x.org/9,oak\n"}, {"label": "name"}, ["named name"]),
    ],
)
def test_table_in_doubt_is_refused_and_nothing_is_written(tmp_path, files, asked, words):
    if "table" in asked:
        asked = {"table": tmp_path / "given" / asked["table"]}
    with refused(str(tmp_path / "given"), *words):
        made(tmp_path, files, Asked(**asked))
    assert not (tmp_path / "p").exists()


def test_column_or_table_that_is_asked_for_is_used(tmp_path):
    (tmp_path / "labels.csv").write_text(TWO)
    rows = made(tmp_path, {"t.csv": KAGGLE}, Asked(tmp_path / "labels.csv", "colour"))
    assert set(of(rows).values()) == {"b", "w"} and rows["0.jpg"]["breed"] == "cat"


def test_column_that_is_asked_for_may_be_beside_one_called_label_in_any_case(tmp_path):
    table = KAGGLE.replace("breed", "breed,Label").replace("\n", ",x\n").replace("Label,x", "Label")
    assert of(made(tmp_path, {"t.csv": table}, Asked(label="breed"))) == LABELS


def test_link_in_a_table_leads_nowhere_else(tmp_path):
    (tmp_path / "private").write_text("secret")
    given = write_files(tmp_path / "given", photos_of(NAMES[1:]) | {"t.csv": KAGGLE})
    (given / "0.jpg").symlink_to(tmp_path / "private")
    with refused("0.jpg", "leads outside", str(given)):
        create(tmp_path / "p", given, None)
    assert not (tmp_path / "p").exists()


def test_folders_and_a_table_with_other_classes_need_a_choice(tmp_path):
    files = photos_of([f"{label}/{name}" for name, label in zip(NAMES, "aaabbb")])
    given = write_files(tmp_path / "given", files | {"train.csv": KAGGLE})
    nested = {"train.csv": KAGGLE} | {f"pets/{name}": data for name, data in files.items()}
    nested = write_files(tmp_path / "nested", nested | photos_of(["9.jpg"]))
    for place, reading in (given, "outer"), (nested, "inner"):
        words = ("train.csv", "6 of their images", "--table", f"--labels {reading}.")
        with refused(str(place), *words):
            create(tmp_path / "p", place, None)
    notes = create(tmp_path / "p", given, None, labels="outer")
    assert "2 classes: a (3), b (3)" in notes and any("train.csv" in note for note in notes)
    for name, text in (
        ("codes", "".join(["id,code\n", *(f"{n[0]},{int(n[0]) // 3}\n" for n in NAMES)])),
        ("sizes", "".join(["file,width\n", *(f"{name},{name[0]}00\n" for name in NAMES)])),
        ("few", "".join(KAGGLE.splitlines(keepends=True)[:4])),
    ):
        (given / "train.csv").write_text(text)
        notes = create(tmp_path / name, given, None)
        assert "2 classes: a (3), b (3)" in notes
    (given / "train.csv").write_text(KAGGLE)
    notes = create(tmp_path / "q", given, None, asked=Asked(given / "train.csv"))
    assert "2 classes: cat (3), dog (3)" in notes


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


def rows_of(header: str, labels: dict[str, str]) -> str:
    return "".join([f"{header}\n", *(f"{name},{label}\n" for name, label in labels.items())])


TRAIN = [f"train_images/{number}.jpg" for number in range(6)]
TEST = ["test_images/t0.jpg", "test_images/t1.jpg"]
PARTS = [f"HAM_images_part_{1 + number % 2}/I{number}.jpg" for number in range(6)]
STEMS = [f"I{number}" for number in range(6)]
LEAVES = dict(zip(NAMES, ["scab", "rust", "scab rust", "rust", "scab", "scab"]))
FLAGGED = {"0": "1,0,0", "1": "0,1,0", "2": "1,1,0", "3": "0,1,0", "4": "0,0,0", "5": "0,0,1"}
LESIONS = "".join(
    f"L{number // 2},{stem},{'nv' if number < 4 else 'mel'}\n" for number, stem in enumerate(STEMS)
)
LAYOUTS = {
    "cassava": (
        [*TRAIN, *TEST],
        {
            "train.csv": rows_of("image_id,label", dict(zip(NAMES, "010101"))),
            "sample_submission.csv": rows_of("image_id,label", {"t0.jpg": "4"}),
            "label_num_to_disease_map.json": '{"0": "Blight (CBB)", "1": "Healthy", "4": "Rot"}',
            "train_tfrecords/ld_train00.tfrec": "",
        },
        "",
        ["Blight (CBB) (3), Healthy (3)", "2 unlabelled", "_map.json names the"],
    ),
    "aptos": (
        [*(name.replace("jpg", "png") for name in TRAIN), "test_images/t0.png"],
        {
            "train.csv": rows_of("id_code,diagnosis", dict(zip("012345", "040404"))),
            "test.csv": "id_code\nt0\n",
            "sampleSubmission.csv": rows_of("id_code,diagnosis", {"t0": "0"}),
        },
        "",
        ["found train.csv", "0 (3), 4 (3)", "1 unlabelled", "the classes are numbers"],
    ),
    "labelled test": (
        [*TRAIN, *TEST],
        {"a.csv": KAGGLE, "b.csv": rows_of("id,breed", {"t0": "cat", "t1": "cat"})},
        "",
        ["found a.csv", "cat (3), dog (3)", "left out, because they name test photos: b.csv"],
    ),
    "ham": (
        PARTS,
        {"HAM_metadata.csv": f"lesion_id,image_id,dx\n{LESIONS}", "hmnist.csv": "p0,label\n9,1\n"},
        "",
        ["labels in dx", "mel (2), nv (4)", "lesion_id may tell", "group in photos/metadata.csv"],
    ),
    "ham of dataverse": (
        PARTS,
        {"HAM_metadata": f"lesion_id,image_id,dx\n{LESIONS}"},
        "",
        ["found HAM_metadata", "mel (2), nv (4)"],
    ),
    "parts alone": (PARTS, {}, "", ["HAM_images_part_1 (3), HAM_images_part_2 (3)"]),
    "plants of 2021": (
        TRAIN,
        {"train.csv": rows_of("image,labels", LEAVES)},
        "rust",
        ["labels in labels", "not_rust (3), rust (3)"],
    ),
    "plants of 2020": (
        TRAIN,
        {"train.csv": rows_of("image_id,scab,rust,healthy", FLAGGED)},
        "rust",
        ["labels in rust", "not_rust (3), rust (3)"],
    ),
    "isic": (STEMS, {"truth.csv": ISIC.replace("\n", "\nI")[:-1]}, "", ["CAT (3), DOG (3)"]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tables_as_kaggle_has_them(tmp_path, layout):
    photos, tables, label, words = LAYOUTS[layout]
    names = [name if "." in name else f"{name}.jpg" for name in photos]
    given = write_files(tmp_path / "given", photos_of(names) | tables)
    notes = "\n".join(create(tmp_path / "p", given, None, asked=Asked(label=label)))
    assert [word for word in words if word not in notes] == []


@pytest.mark.parametrize(
    ("text", "received"),
    [
        (rows_of("image,labels", LEAVES), ["1 row", "line 4 (2.jpg): scab rust"]),
        (rows_of("image,labels", LEAVES).replace("scab r", "scab|r"), ["1 row", "scab|rust"]),
        (rows_of("id,scab,rust,healthy", FLAGGED), ["2 rows", "line 4 (2): scab, rust"]),
    ],
)
def test_several_labels_are_counted_and_one_can_be_chosen(tmp_path, text, received):
    with refused("t.csv", *received, "--label NAME"):
        made(tmp_path, {"t.csv": text})
    rust = of(made(tmp_path, {"t.csv": text}, Asked(label="rust")))
    assert [rust[name] == "rust" for name in NAMES] == [False, True, True, True, False, False]
    assert {*rust.values()} == {"rust", "not_rust"}


def test_place_is_a_label_only_if_asked_for(tmp_path):
    table = rows_of("id,site", {name[0]: "ab"[int(name[0]) // 3] for name in NAMES})
    with refused("t.csv", "site", "--label COLUMN"):
        made(tmp_path, {"t.csv": table})
    assert set(of(made(tmp_path, {"t.csv": table}, Asked(label="site"))).values()) == {"a", "b"}


SLIDES = {f"S{n:02}": "ab"[n % 2] for n in range(6)}
TILES = [f"{slide}/x/{number}.jpg" for slide in SLIDES for number in range(2)]
SITES = [f"dep{site}/IMG_{number}.JPG" for site in range(2) for number in range(4)]
ROOMS = [f"plate{plate}/{well}_f1.jpg" for plate in range(2) for well in ("A1", "A2", "B1", "B2")]


@pytest.mark.parametrize("label", ["diagnosis", "label"])
def test_table_of_folders_labels_the_photos_in_them_which_are_groups(tmp_path, label):
    pages = [n if label == "diagnosis" else n // 3 for n in range(len(SLIDES))]  # may repeat
    text = rows_of(f"slide,pages,{label}", {f"{s},{n}": SLIDES[s] for s, n in zip(SLIDES, pages)})
    files = photos_of(TILES) | {"slides.csv": f"{text}S99,8,b\n"}
    notes = create(tmp_path / "p", write_files(tmp_path / "given", files))
    assert f"found slides.csv, with the folders in slide, labels in {label}" in notes
    assert "2 classes: a (6), b (6)" in notes and "1 row without photos: line 8 (S99)" in notes
    table = (tmp_path / "p/photos/metadata.csv").read_text(encoding="utf-8").splitlines()
    assert table[:3] == ["file_name,label,pages,group", *(f"S00/x/{n}.jpg,a,0,S00" for n in "01")]


def joined(header: str, *rows: tuple) -> str:
    return "".join(f"{','.join(map(str, row))}\n" for row in (header.split(","), *rows))


# Photos with tables that may have the labels, what is said of them, and which one has the labels.
IN_DOUBT = {
    "slides of two hospitals": (
        TILES,
        {"t.csv": joined("slide,type,from", *((s, SLIDES[s], s < "S03") for s in SLIDES))},
        ["t.csv (type, from)", "12 of their images"],
        ("t.csv", "type"),
    ),
    "breeds of species": (
        [f"{breed}/{n}.jpg" for breed in ("pug", "corgi", "manx", "birman") for n in range(2)],
        {"t.csv": "breed,kind\npug,a\ncorgi,a\nmanx,b\nbirman,b\n"},
        ["t.csv (kind)", "8 of their images"],
        ("t.csv", "kind"),
    ),
    "patients in the names of files": (
        [f"{eye}/x_P-{n}_{eye}.jpg" for eye in ("left", "right") for n in range(4)],
        {"t.csv": joined("id,age,type", *((f"P-{n}", 50 + n, "ab"[n % 2]) for n in range(4)))},
        ["t.csv (type)", "8 of their images"],
        ("t.csv", "type"),
    ),
    "wells of plates": (
        ROOMS,
        {"t.csv": joined("plate,well,drug", *((r[:6], r[7:9], "ab"[r[8] == "1"]) for r in ROOMS))},
        ["t.csv (drug)", "8 of their images"],
        ("t.csv", "drug"),
    ),
    "folder and name in two columns": (
        SITES,
        {"t.csv": joined("Ort,Bild,Art", *((s[:4], s[5:], "ab"[int(s[9]) % 2]) for s in SITES))},
        ["t.csv (Art)", "8 of their images"],
        ("t.csv", "Art"),
    ),
    "Camtrap DP": (
        SITES,
        {
            "deployments.csv": "deploymentID,cameraModel\ndep0,x\ndep1,x\n",
            "media.csv": joined(
                "mediaID,deploymentID,filePath", *((s[3:], s[:4], s) for s in SITES)
            ),
            "observations.csv": joined(
                "deploymentID,mediaID,scientificName",
                *((s[:4], s[3:], "ab"[int(s[9]) % 2]) for s in SITES),
            ),
        },
        ["observations.csv (scientificName)", "8 of their images"],
        ("observations.csv", "scientificName"),
    ),
    "habitats of sites with folders of species": (
        [f"site{site}/{kind}/{n}.jpg" for site in range(4) for kind in "ab" for n in range(2)],
        {"t.csv": "site,habitat\nsite0,wood\nsite1,field\nsite2,wood\nsite3,field\n"},
        ["t.csv (habitat)", "16 of their images"],
        None,
    ),
}


@pytest.mark.parametrize("layout", IN_DOUBT)
def test_table_that_may_have_the_labels_needs_a_choice_which_works(tmp_path, layout):
    photos, tables, words, asked = IN_DOUBT[layout]
    given = write_files(tmp_path / "given", photos_of(photos) | tables)
    reading = "outer" if asked else "outer or inner"
    with refused(str(given), *words, "--table FILE --label COLUMN", f"--labels {reading}."):
        create(tmp_path / "p", given)
    half = len(photos) // 2
    table, label = asked or (None, "")
    notes = create(
        tmp_path / "p",
        given,
        labels="auto" if asked else "inner",
        asked=Asked(given / table, label) if table else NOTHING,
    )
    assert f"2 classes: a ({half}), b ({half})" in notes


def test_other_tables_are_a_note_with_their_columns(tmp_path):
    files = photos_of(
        [f"{label}/day{number}.jpg" for label in ("cat", "dog") for number in range(4)]
    )
    files["classes.csv"] = "class,latin\ncat,Felis\ndog,Canis\n"
    files["w.csv"] = "day,wind\n" + "day0,N\nday1,S\nday2,N\nday3,S\n" * 2  # twice a day
    notes = describe_classes(write_files(tmp_path / "given", files), "auto")
    assert notes[0] == "2 classes: cat (4), dog (4)"
    assert any("not read: classes.csv (class, latin), w.csv (day, wind)" in note for note in notes)
