"""Use DVC: start stages, compute fingerprints of code, and read recorded results."""
