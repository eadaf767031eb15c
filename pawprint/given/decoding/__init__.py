"""Turn the bytes of an image file into pixels, and into its row of the DECODED table."""
