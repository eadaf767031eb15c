"""Show the data before training on it: samples, an image and its augmented views, look-alikes.

Reads data/raw/archives/, data/split/images.csv and data/split/near_duplicates.csv. Params:
`preview`, `augment`, `model.image_size`, `model.resize`. Writes plots/samples.png,
plots/augmented.png and plots/near_duplicates.png.
Run: `python -m stages.preview`
"""

from pawprint.core import paths
from pawprint.core.files import read_csv
from pawprint.core.params import load_params
from pawprint.images.archive import open_archive
from pawprint.reports.figures import save
from pawprint.reports.photo_figures import draw_augmented, draw_near_duplicates, draw_samples


def main() -> None:
    params = load_params()
    train = [row for row in read_csv(paths.SPLIT_IMAGES) if row["split"] == "train"]
    with open_archive(paths.RAW_IMAGES) as archive:
        save(draw_samples(params.preview, archive, train), paths.SAMPLES_PLOT)
        size, how = params.model.image_size, params.model.resize
        augmented = draw_augmented(params.augment, size, how, archive, train)
        save(augmented, paths.AUGMENTED_PLOT)
        listed = read_csv(paths.NEAR_DUPLICATES)
        near_duplicates = draw_near_duplicates(params.preview, archive, listed)
        save(near_duplicates, paths.NEAR_DUPLICATES_PLOT)
    print(f"preview: 3 pictures in {paths.SAMPLES_PLOT.parent}")


if __name__ == "__main__":
    main()
