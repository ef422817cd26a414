"""``ald-recorder reload``: another configuration and other definitions for the running daemon."""

from typing import Any

from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.output import print_json
from recorder.control import ask


@app.command()
def reload(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Let the running recorder read its configuration and definitions again; no slot is missed."""
    settings = read_config(config)
    told: dict[str, Any] = run_async(ask(settings.control_socket, "reload"))
    if json:
        print_json(told)
        return
    definitions = told["definitions"]
    counts = ", ".join(f"{len(definitions[what])} {what}" for what in ("added", "changed", "removed"))
    print(f"definitions     {told['definitions_kept'] or counts}; version {definitions['version']}")
    print(f"configuration   {', '.join(told['changed']) or 'nothing'} changed")
    if told["needs_restart"]:
        print(f"needs restart   {', '.join(told['needs_restart'])}")
