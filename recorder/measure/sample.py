"""What measurements are made with: definitions, and one set-value that a server on this machine takes."""

from pathlib import Path
from typing import Final

from hal.parameter import DataType, RegisterKind
from recorder.database import DatabaseSettings, single_session
from recorder.definitions.definitions import Definition, DefinitionSet, load_definitions
from recorder.definitions.file import DefinitionFile
from recorder.definitions.importing import write

MACHINE: Final = "Bench"
SET_POINT: Final = Definition(
    component="Bench",
    name="set_point",
    register_kind=RegisterKind.HOLDING_REGISTER,
    address=0,
    data_type=DataType.FLOAT32,
    device="bench",
    set_value=20.0,
    min_value=0.0,
    max_value=100.0,
    is_writable=True,
)
COMPONENTS: Final = 6
"""As many as the owner of the earlier recorder measured with."""


def largest_components(definitions: tuple[Definition, ...], count: int = COMPONENTS) -> tuple[Definition, ...]:
    """The definitions of the components with the most parameters."""
    sizes: dict[str, int] = {}
    for definition in definitions:
        sizes[definition.component] = sizes.get(definition.component, 0) + 1
    chosen = sorted(sizes, key=lambda name: (-sizes[name], name))[:count]
    return tuple(definition for definition in definitions if definition.component in chosen)


async def store(settings: DatabaseSettings, definitions: tuple[Definition, ...]) -> DefinitionSet:
    """Bring definitions into the schema of the settings, and return them with their ids.

    Raises:
        DatabaseError: the database refuses.
    """
    content = DefinitionFile(path=Path("bench"), definitions=definitions, findings=())
    prepared = settings.prepared_statements
    async with single_session(settings.dsn, settings.schema, prepared_statements=prepared) as session:
        await write(session, MACHINE, content)
        return await load_definitions(session, MACHINE)
