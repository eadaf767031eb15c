"""Draw figures and write the model card and the HTML report."""
