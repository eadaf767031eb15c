"""What people give: folders, archives, tables, boxes and photos, read the same way everywhere."""
