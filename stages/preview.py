"""Show the data before training: samples, augmented views of an image, near-duplicates.

Reads data/raw/archives/, data/split/images.csv and data/split/near_duplicates.csv. Params:
`preview`, `augment`, `model.image_size`, `model.resize`. Writes plots/samples.png,
plots/augmented.png and plots/near_duplicates.png. Run: `python -m stages.preview`
"""

from pawprint.core import paths, tables
from pawprint.core.params import load_params
from pawprint.core.tables import read_table
from pawprint.images.archive import open_archive
from pawprint.reports.data_photos import draw_augmented, draw_near_duplicates, draw_samples
from pawprint.reports.figures import save


def main() -> None:
    params = load_params()
    images = read_table(paths.SPLIT_IMAGES, tables.SPLIT)
    near_duplicates = read_table(paths.NEAR_DUPLICATES, tables.NEAR_DUPLICATES)
    train = images[images["split"] == "train"]
    size, how = params.model.image_size, params.model.resize
    with open_archive(paths.RAW_ARCHIVES) as archive:
        save(draw_samples(archive, train, params.preview.samples), paths.SAMPLES_PLOT)
        save(draw_augmented(archive, train, params.augment, size, how), paths.AUGMENTED_PLOT)
        figure = draw_near_duplicates(archive, near_duplicates, params.preview.near_duplicates)
        save(figure, paths.NEAR_DUPLICATES_PLOT)
    print(f"preview: 3 pictures in {paths.SAMPLES_PLOT.parent}")


if __name__ == "__main__":
    main()
