"""The tutorials' flow as one plain Keras script: what the pipeline is measured against.

Same images, weights and width as the committed `params.yaml`; everything else as in
https://www.tensorflow.org/tutorials/images/transfer_learning: the archive unpacked to a folder,
images stretched to a square, augmentation and the whole frozen base computed in every step of every
epoch. Its flaws stay too: validation is shuffled anew before each split, so test images were
validation images, and batch normalization learns while fine-tuning (docs/decisions/01).
Run after `dvc repro`: `python bench/plain_script.py`; `python -m bench.compare` runs it too.
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
    print(f"Running stage '{step}'", flush=True)  # as DVC does


def load(folder: Path, size: int) -> tuple[tf.data.Dataset, tf.data.Dataset, tf.data.Dataset]:
    """Training, validation and test batches; a fifth of the validation batches is the test."""
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
    """The base, and the model with augmentation, rescaling and head around it."""
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
