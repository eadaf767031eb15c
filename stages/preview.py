"""Show the data before training: samples, augmented views of an image, near-duplicates.

Reads data/raw/archives/, data/split/images.csv and data/split/near_duplicates.csv. Params:
`preview`, `augment`, `model.image_size`, `model.resize`. Writes plots/samples.png,
plots/augmented.png and plots/near_duplicates.png. Run: `python -m stages.preview`
"""

from pawprint.core import data_paths, data_tables, result_paths
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
    images = read_table(data_paths.SPLIT_IMAGES, data_tables.SPLIT)
    near_duplicates = read_table(data_paths.NEAR_DUPLICATES, data_tables.NEAR_DUPLICATES)
    train = images[images["split"] == "train"]
    size, how = model.image_size, model.resize
    with open_archive(data_paths.RAW_ARCHIVES) as archive:
        save(draw_samples(archive, train, params.samples), result_paths.SAMPLES_PLOT)
        save(draw_augmented(archive, train, augment, size, how), result_paths.AUGMENTED_PLOT)
        figure = draw_near_duplicates(archive, near_duplicates, params.near_duplicates)
        save(figure, result_paths.NEAR_DUPLICATES_PLOT)
    print(f"preview: 3 pictures in {result_paths.SAMPLES_PLOT.parent}")


if __name__ == "__main__":
    run_stage(main)
