"""What every table of `config.toml` has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Section(BaseModel):
    """A table of the file: no field that is not known, nothing changed later, and defaults held to the rules too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
