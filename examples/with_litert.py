"""`pip install ai-edge-litert numpy pillow`; python with_litert.py MODEL_FOLDER PHOTO …"""

import json
import sys
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter
from photo import answer, pixels, read_model

folder, *photos = sys.argv[1:]
model = read_model(folder)
run = Interpreter(str(Path(folder, "model.tflite"))).get_signature_runner()
for photo in photos:
    outputs = run(pixels=pixels(photo, model))
    print(json.dumps([photo, *answer(outputs, model)]))
