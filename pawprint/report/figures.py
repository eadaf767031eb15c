"""Draw the curves of a training in epochs with Matplotlib, to be printed."""

import io
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pawprint.scores.intervals import fraction_interval, independent_images
from pawprint.scores.results import Results

# Okabe and Ito's colours, which colour-blind readers can tell apart:
# https://jfly.uni-koeln.de/color/
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREY = "#666666"


def draw_training(run: Results) -> bytes:
    """Draw accuracy and loss by epoch in both phases, as a PNG.

    Fine-tuning continues the epoch count. The accuracy in validation has its interval.
    """
    matplotlib.rcdefaults()  # ignore the user's matplotlibrc
    style.use(Path(__file__).with_name("pictures.mplstyle"))
    figure = Figure(figsize=(9, 3.6))
    axes = figure.subplots(1, 2)
    before = max(run.extract["epoch"], default=0)
    history = pd.concat([run.extract, run.finetune.assign(epoch=run.finetune["epoch"] + before)])
    for axis, name in zip(axes, ("accuracy", "loss")):
        series = {name: (BLUE, "training"), f"validation_{name}": (ORANGE, "validation")}
        for column, (colour, label) in series.items():
            axis.plot(history["epoch"], history[column], color=colour, label=label, marker=".")
        if len(run.extract) and len(run.finetune):
            starts = before + 0.5
            axis.axvline(starts, color=GREY, linestyle="--", label="fine-tuning starts")
        axis.set(title=name.capitalize(), xlabel="Epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    images = run.images[run.images["split"] == "validation"]
    number = independent_images(images["group"].to_numpy())
    rights = (history["validation_accuracy"] * number).round().astype(int)
    ends = zip(*(fraction_interval(right, number) for right in rights))
    axes[0].fill_between(history["epoch"], *ends, color=ORANGE, alpha=0.2, linewidth=0)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    data = io.BytesIO()
    options = {"compress_level": 1}
    FigureCanvasAgg(figure).print_png(data, pil_kwargs=options, metadata={"Software": None})
    return data.getvalue()
