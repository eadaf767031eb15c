"""`pip install ai-edge-litert numpy pillow`; python with_litert.py MODEL_FOLDER PHOTO …"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from photo import answer, pixels

folder, *photos = sys.argv[1:]
model = json.loads(Path(folder, "model.json").read_text(encoding="utf-8"))
run = Interpreter(str(Path(folder, "model.tflite"))).get_signature_runner()
for photo in photos:
    batch = pixels(photo, model).astype(np.float32)
    outputs = run(pixels=batch)
    print(json.dumps([photo, *answer(outputs, model)]))
