"""`pip install openvino numpy pillow`; python with_openvino.py MODEL_FOLDER PHOTO …"""

import json
import sys
from pathlib import Path

import openvino
from photo import answer, pixels, read_model

folder, *photos = sys.argv[1:]
model = read_model(folder)
# On processors with bfloat16, OpenVINO would use it, which changes the results.
precision = {"INFERENCE_PRECISION_HINT": "f32"}
run = openvino.compile_model(Path(folder, "model.xml"), "CPU", precision)
for photo in photos:
    outputs = run(pixels(photo, model))
    print(json.dumps([photo, *answer(outputs, model)]))
