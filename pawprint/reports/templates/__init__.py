"""The model card and the report: templates, and what fills them in."""
