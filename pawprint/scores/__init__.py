"""Score a run, with confidence intervals and tests, and find labels to review."""
