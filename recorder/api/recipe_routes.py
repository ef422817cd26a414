"""Routes of recipes: which were run, and what their completed runs have in common."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from recorder.api.access import READING, Reader
from recorder.api.context import ContextOf
from recorder.api.errors import NotFoundError
from recorder.api.problem import problems
from recorder.api.run_routes import Words

router = APIRouter(tags=["history"], dependencies=[Reader])


class _Document(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class RecipeLine(_Document):
    """A recipe of which a run was completed and summarised."""

    recipe: str
    runs: int
    last_run_at: datetime


class Recipes(_Document):
    """The recipes that have statistics, the one that ran last first."""

    recipes: list[RecipeLine]


class ParameterStatistics(_Document):
    """What one parameter did in the completed runs of a recipe, or in one step of them."""

    step: Annotated[int | None, Field(description="Number of the step; null for the whole run.")]
    parameter_id: int
    component: str
    parameter: str
    unit: str
    runs: int
    points: int
    good_points: int
    mean: Annotated[float | None, Field(description="Of the means of the runs.")]
    deviation_between_runs: Annotated[float | None, Field(description="Standard deviation of the means of the runs.")]
    lowest: float | None
    highest: float | None
    last_run_at: datetime


class RecipeStatistics(_Document):
    """What the completed runs of a recipe have in common."""

    recipe: str
    statistics: list[ParameterStatistics]


@router.get("/api/recipes", summary="The recipes that have statistics", responses={**READING, **problems(429, 503)})
async def recipes(context: ContextOf) -> Recipes:
    """Of runs that were completed and summarised, which is soon after their end."""
    rows = await context.database.read("recipes_with_statistics", context.config.recorder.machine)
    return Recipes(recipes=[RecipeLine(**row) for row in rows])


@router.get(
    "/api/recipes/statistics",
    summary="What the completed runs of a recipe have in common",
    responses={**READING, **problems(404, 429, 503)},
)
async def statistics(
    context: ContextOf,
    recipe: Annotated[Words, Query(min_length=1, max_length=200, description="The whole name.")],
    steps: Annotated[bool, Query(description="By step as well as over the whole run.")] = False,
) -> RecipeStatistics:
    """Parameter by parameter; made anew after each run that has ended."""
    machine = context.config.recorder.machine
    rows = await context.database.read("recipe_statistics", machine, recipe, steps)
    if not rows:
        raise NotFoundError(f"no run of {recipe!r} on {machine} was completed and summarised; /api/recipes lists them")
    return RecipeStatistics(
        recipe=recipe,
        statistics=[ParameterStatistics(**row) for row in rows],
    )
