"""Networks that OpenVINO runs on the CPU, three times as fast as TensorFlow does."""
