"""Recognise the forms in which labelled images are shipped, for `pawprint init`."""
