"""What knows DVC: how a stage starts, fingerprints of code, recorded results."""
