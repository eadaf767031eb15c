"""Apply one function to many images, using threads or a Dask cluster."""
