"""The offline demo: drawn images and a small backbone that was trained on others."""
