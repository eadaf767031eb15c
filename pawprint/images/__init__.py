"""Find images in archives and folders, and read them."""
