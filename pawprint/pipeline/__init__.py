"""The use of DVC: the start of a stage, fingerprints of code, recorded results."""
