"""Where the images come from."""

from pawprint.core.params.section import Section
from pawprint.core.params.types import Text


class Fetch(Section):
    source: Text
