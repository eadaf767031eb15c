"""Names that people give to splits."""

# The split of a folder, or of a cell of a table, by its lower-case name.
SPLIT_OF_FOLDER = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
