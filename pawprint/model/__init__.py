"""The model that is served: its files, what is fitted for it, its predictions and exports."""
