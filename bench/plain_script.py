"""Train with the tutorials' workflow as one plain Keras script, as a baseline for the pipeline.

Images, weights and width are those of the committed `params.yaml`. Everything else follows
https://www.tensorflow.org/tutorials/images/transfer_learning: the archive is unpacked to a folder,
images are stretched to a square, and augmentation and the whole frozen base are computed in every
step of every epoch. The flaws of that tutorial are kept as well: validation images are reshuffled
before each split, so that test images were also used for validation, and batch normalization is
trained during fine-tuning (docs/decisions/01). Run it after `dvc repro` with `python
bench/plain_script.py`, or as part of `python -m bench.compare`.
"""

import argparse
import json
import tempfile
import zipfile
from pathlib import Path

import keras
import tensorflow as tf

ALPHA, FINE_TUNE_AT, BATCH_SIZE = 0.35, 100, 32


def announce(step: str) -> None:
    print(f"Running stage '{step}'", flush=True)  # in the same format as DVC


def load(folder: Path, size: int) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
    """Return training, validation and test batches, with a fifth of validation used for test."""
    train, validation = (
        keras.utils.image_dataset_from_directory(
            next(folder.rglob(name)), image_size=(size, size), batch_size=BATCH_SIZE, seed=1
        )
        for name in ("train", "validation")
    )
    tests = int(validation.cardinality()) // 5
    return tuple(
        part.prefetch(tf.data.AUTOTUNE)
        for part in (train, validation.skip(tests), validation.take(tests))
    )


def build(size: int) -> tuple[keras.Model, keras.Model]:
    """Return the base, and the whole model with augmentation, rescaling and head."""
    shape = (size, size, 3)
    base = keras.applications.MobileNetV2(
        input_shape=shape, alpha=ALPHA, include_top=False, weights="imagenet"
    )
    base.trainable = False
    pixels = keras.Input(shape)
    x = keras.layers.RandomFlip("horizontal")(pixels)
    x = keras.layers.RandomRotation(0.2)(x)
    x = keras.applications.mobilenet_v2.preprocess_input(x)
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    return base, keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(x))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, default=Path("data/raw/archives/images.zip"))
    parser.add_argument("--size", type=int, default=224, help="of the images, in pixels")
    parser.add_argument("--epochs", type=int, default=10, help="of each phase")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    epochs = arguments.epochs
    keras.utils.set_random_seed(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(arguments.archive) as archive:
            archive.extractall(folder)
        train, validation, test = load(Path(folder), arguments.size)
        base, model = build(arguments.size)
        announce("feature extraction")
        model.compile(keras.optimizers.Adam(1e-4), "binary_crossentropy", metrics=["accuracy"])
        model.evaluate(validation, verbose=0)
        model.fit(train, validation_data=validation, epochs=epochs, verbose=0)
        announce("fine-tuning")
        base.trainable = True
        for layer in base.layers[:FINE_TUNE_AT]:
            layer.trainable = False
        model.compile(keras.optimizers.RMSprop(1e-5), "binary_crossentropy", metrics=["accuracy"])
        phase = {"initial_epoch": epochs, "epochs": 2 * epochs}
        model.fit(train, validation_data=validation, verbose=0, **phase)
        announce("evaluation")
        accuracy = {
            name: model.evaluate(data, verbose=0, return_dict=True)["accuracy"]
            for name, data in (("validation", validation), ("test", test))
        }
    print(json.dumps(accuracy))


if __name__ == "__main__":
    main()
