"""Show the data before training: samples, augmented views of an image, near-duplicates.

Reads data/raw/archives/, data/split/images.csv and data/split/near_duplicates.csv. Params:
`preview`, `augment`, `model.image_size`, `model.resize`. Writes plots/samples.png,
plots/augmented.png and plots/near_duplicates.png. Run: `python -m stages.preview`
"""

from pawprint.core import paths, tables
from pawprint.core.entry import run_stage
from pawprint.core.params.augment import Augment
from pawprint.core.params.model import Model
from pawprint.core.params.preview import Preview
from pawprint.core.tables import read_table
from pawprint.images.archive import open_archive
from pawprint.reports.data_photos import draw_augmented, draw_near_duplicates, draw_samples
from pawprint.reports.figures import save


def main() -> None:
    augment, model, params = Augment.load(), Model.load(), Preview.load()
    images = read_table(paths.SPLIT_IMAGES, tables.SPLIT)
    near_duplicates = read_table(paths.NEAR_DUPLICATES, tables.NEAR_DUPLICATES)
    train = images[images["split"] == "train"]
    size, how = model.image_size, model.resize
    with open_archive(paths.RAW_ARCHIVES) as archive:
        save(draw_samples(archive, train, params.samples), paths.SAMPLES_PLOT)
        save(draw_augmented(archive, train, augment, size, how), paths.AUGMENTED_PLOT)
        figure = draw_near_duplicates(archive, near_duplicates, params.near_duplicates)
        save(figure, paths.NEAR_DUPLICATES_PLOT)
    print(f"preview: 3 pictures in {paths.SAMPLES_PLOT.parent}")


if __name__ == "__main__":
    run_stage(main)
