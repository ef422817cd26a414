"""Recipes as files: what is right is read exactly, what is wrong is named with file, step and reason."""

from pathlib import Path

import pytest

from simulator.errors import RecipeError
from simulator.recipe import al2o3
from simulator.recipe_file import builtin_library, builtin_recipes, read_recipe

LOOP = '[[steps]]\ntype = "loop"\nname = "cycle"\nrepeat = 2\nsteps = [{item}]\n'
PURGE = '{ type = "purge", name = "wait", duration_s = 1 }'


def written(folder: Path, *items: str, name: str = "test") -> Path:
    """Write a recipe whose loop has these steps."""
    path = folder / "recipe.toml"
    path.write_text(f'name = "{name}"\n' + LOOP.replace("{item}", ", ".join(items)), encoding="utf-8")
    return path


def test_the_five_that_come_along_are_read_and_the_demos_is_first() -> None:
    """Thermal Al2O3 as it always was: 20 cycles, 154 s; HfO2, TiO2, a plasma recipe, a nested loop."""
    assert list(builtin_recipes()) == [
        "al2o3_thermal",
        "al2o3_plasma",
        "hfo2_thermal",
        "nanolaminate",
        "tio2_thermal",
    ]
    assert builtin_library()[0] == al2o3()
    assert [recipe.duration_us for recipe in builtin_library()] == [
        154_000_000,
        251_200_000,
        574_000_000,
        375_000_000,
        316_000_000,
    ]


def test_times_are_exact_to_the_microsecond(tmp_path: Path) -> None:
    """0.1 s are 100,000 us and 15 ms are 15,000; a whole number of seconds is one too."""
    dose = '{ type = "valve", name = "dose", valve = "Valve 6", duration_s = 0.015 }'
    phases = read_recipe(written(tmp_path, dose, PURGE)).phases()
    assert [phase.step.duration_us for phase in phases] == [15_000, 1_000_000] * 2
    assert phases[0].open_valves == (False,) * 5 + (True,)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (
            '{ type = "valve", name = "dose", valve = "Valve 7", duration_s = 0.1 }',
            "steps[0].steps[0].valve (in 'dose'): Input should be 'Valve 1'",
        ),
        (
            '{ type = "valve", name = "dose", valve = 1, duration_s = 0.1 }',
            "steps[0].steps[0].valve (in 'dose'): Input should be",
        ),
        (
            '{ type = "purge", name = "p", duration_s = -1.0 }',
            "steps[0].steps[0].duration_s (in 'p'): Input should be greater than 0, not -1.0",
        ),
        ('{ type = "purge", name = "p", duration_s = "3" }', "duration_s (in 'p'): Input should be a valid number"),
        ('{ type = "purge", name = "p", duration_s = nan }', "duration_s (in 'p')"),
        ('{ type = "purge", name = "p", duration_s = 3601 }', "less than or equal to 3600"),
        ('{ type = "purge", name = "p" }', "steps[0].steps[0].duration_s (in 'p'): Field required"),
        ('{ type = "purge", name = "p", duration_s = 1, vale = 2 }', "steps[0].steps[0].vale (in 'p'): Extra inputs"),
        ('{ type = "pulse", name = "p", duration_s = 1 }', "Input tag 'pulse' found using 'type' does not match"),
        ('{ name = "p", duration_s = 1 }', "Unable to extract tag using discriminator 'type'"),
        ('{ type = "loop", name = "inner", repeat = 0, steps = [] }', "steps[0].steps[0].repeat (in 'inner')"),
        ('{ type = "loop", name = "inner", repeat = 1, steps = [] }', "List should have at least 1 item"),
        (
            '{ type = "parameter", name = "heat", parameter = "Champer Heater/temperature_set", value = 1 }',
            "steps[0].steps[0] ('heat'): the tool has no parameter 'Champer Heater/temperature_set'",
        ),
        (
            '{ type = "parameter", name = "heat", parameter = "Chamber Heater/temperature_set", value = 401 }',
            "steps[0].steps[0] ('heat'): value 401 is outside 0.0…400.0",
        ),
        (
            '{ type = "parameter", name = "go", parameter = "Process/start", value = 1 }',
            "Process/start is no set-value that a recipe can give",
        ),
        (
            (
                '{ type = "parameter", name = "k", parameter = "Chamber Heater/kp", value = 1, '
                "wait = { tolerance = 1, timeout_s = 1 } }"
            ),
            "Chamber Heater/kp has no reading to wait for",
        ),
        ('{ type = "plasma", name = "p", power_w = 700, duration_s = 1 }', "less than or equal to 600"),
        ('{ type = "loop", name = "a", repeat = 9999, steps = [' + ", ".join([PURGE] * 30) + "] }", "its loops make"),
    ],
)
def test_a_broken_step_is_refused_with_file_place_and_reason(tmp_path: Path, item: str, reason: str) -> None:
    """And never given a default."""
    path = written(tmp_path, item)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)


def test_all_faults_of_a_recipe_come_at_once(tmp_path: Path) -> None:
    """So that it is mended in one go."""
    path = written(tmp_path, '{ type = "purge", name = "a", duration_s = 0 }', '{ type = "valve", name = "b" }')
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert all(text in str(caught.value) for text in ("(in 'a')", "(in 'b')"))


def test_what_is_no_recipe_at_all_is_named(tmp_path: Path) -> None:
    """A missing file, no TOML (with its line), a name that the register cannot hold, no loop."""
    with pytest.raises(RecipeError, match=r"absent.toml: No such file"):
        read_recipe(tmp_path / "absent.toml")
    path = tmp_path / "broken.toml"
    path.write_text('name = "x"\nsteps = [\n', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"broken.toml: .*(line|end of document)"):
        read_recipe(path)
    with pytest.raises(RecipeError, match="1 to 16 printable"):
        read_recipe(written(tmp_path, PURGE, name="a name of more than sixteen"))
    path.write_text('name = "x"\n[[steps]]\ntype = "purge"\nname = "p"\nduration_s = 1.0\n', encoding="utf-8")
    with pytest.raises(RecipeError, match="it needs a loop"):
        read_recipe(path)
