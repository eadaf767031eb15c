"""What commands do and no stage needs."""
