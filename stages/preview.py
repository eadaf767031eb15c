"""Show the data before training: samples, augmented views, near-duplicates, unusual images.

A line says if `model.resize: crop` leaves out much of the images. Reads data/clean/images.csv,
data/raw/archives/, data/split/images.csv and data/split/near_duplicates.csv. Params: `augment`,
`model.image_size`, `model.resize`, `clean.bits`. Writes plots/samples.png,
plots/augmented.png, plots/near_duplicates.png and plots/unusual.png.
Run: `python -m stages.preview`
"""

from pawprint import project
from pawprint.dataset.looks import find_unusual
from pawprint.images.archive import open_archive
from pawprint.images.decoder import MAX_LEFT_OUT, left_out
from pawprint.params.data import Augment, Clean
from pawprint.params.model import Model
from pawprint.pipeline.entry import run_stage
from pawprint.reports.charts import save
from pawprint.reports.photos import draw_augmented, draw_near_duplicates, draw_samples, draw_unusual
from pawprint.tables import read_table


def main() -> None:
    """Draw the pictures of the data."""
    augment = Augment.load()
    model = Model.load()
    images = read_table(project.SPLIT_CSV, project.SPLIT)
    near_duplicates = read_table(project.NEAR_DUPLICATES_CSV, project.NEAR_DUPLICATES)
    usable = read_table(project.IMAGES_CSV, project.IMAGES)
    sizes = usable[["path", "width", "height"]]
    train = images[images["split"] == "train"].merge(sizes, on="path")
    with open_archive(project.RAW_ARCHIVES, Clean.load().bits) as archive:
        save(draw_samples(archive, train), project.PLOTS / "samples.png")
        figure = draw_augmented(archive, train, augment, model.image_size, model.resize)
        save(figure, project.PLOTS / "augmented.png")
        figure = draw_near_duplicates(archive, near_duplicates)
        save(figure, project.PLOTS / "near_duplicates.png")
        save(draw_unusual(archive, find_unusual(usable)), project.PLOTS / "unusual.png")
    print(f"preview: 4 pictures in {project.PLOTS}")
    if model.resize == "crop" and len(sizes):
        out = left_out(sizes["width"], sizes["height"])
        if out > MAX_LEFT_OUT:
            print(
                f"preview: model.resize: crop leaves out {out:.0%} of the median image; stretch "
                "and pad keep all of it"
            )


if __name__ == "__main__":
    run_stage(main)
