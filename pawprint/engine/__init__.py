"""The engine: one function of many images, on threads or on a Dask cluster."""
