"""`pip install tensorflow numpy pillow`; python with_tensorflow.py MODEL_FOLDER PHOTO …"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from photo import answer, pixels

folder, *photos = sys.argv[1:]
model = json.loads(Path(folder, "model.json").read_text(encoding="utf-8"))
run = tf.saved_model.load(folder).signatures["serving_default"]
for photo in photos:
    batch = pixels(photo, model).astype(np.float32)
    outputs = run(pixels=tf.constant(batch))
    print(json.dumps([photo, *answer(outputs, model)]))
