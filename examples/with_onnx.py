"""`pip install onnxruntime numpy pillow`; python with_onnx.py MODEL_FOLDER PHOTO …"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from photo import answer, pixels, read_model

folder, *photos = sys.argv[1:]
model = read_model(folder)
session = onnxruntime.InferenceSession(Path(folder, "model.onnx"))
names = [output.name for output in session.get_outputs()]
for photo in photos:
    batch = pixels(photo, model).astype(np.float32)
    outputs = dict(zip(names, session.run(names, {"pixels": batch})))
    print(json.dumps([photo, *answer(outputs, model)]))
