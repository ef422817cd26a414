"""Entry point: ``ald-recorder`` and ``python -m recorder``."""

from recorder.cli import (  # noqa: F401  (they register)
    api,
    bench,
    check,
    console,
    database,
    database_care,
    definitions,
    demo,
    discover,
    faults,
    quarantine,
    reload,
    run,
    runs,
    service,
    set_values,
    simulate,
    status,
    token,
)
from recorder.cli.app import main

if __name__ == "__main__":
    main()
