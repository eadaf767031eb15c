"""Types that several sections use: ranges of numbers, and names of choices."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field


def _in_full(path: str) -> str:
    if path == "~" or path.startswith("~/"):  # neither DVC nor Python expands it
        raise ValueError(f"expected a path. Write the home folder in full. Received: {path!r}")
    return path


# Counts fit in 32 bits: a larger one is a mistake, and would overflow later.
Count = Annotated[int, Field(ge=1, lt=2**31)]
WholeNumber = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
UpToOne = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Text = Annotated[str, Field(min_length=1)]
Source = Annotated[Text, AfterValidator(_in_full)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Resize = Literal["crop", "pad", "stretch"]
Views = Literal["one", "flip", "crops"]
