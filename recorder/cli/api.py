"""``ald-recorder api``: the recorder over HTTP, in a process of its own."""

from recorder import logs
from recorder.cli.app import ConfigOption, app, read_config, run_async, yield_to_recorder


@app.command()
def api(config: ConfigOption = None) -> None:
    """Serve status, values, history and commands over HTTP until told to stop; [api] in config.toml says where."""
    from recorder.api.server import serve  # noqa: PLC0415  (every other command, and the daemon, would pay for it)

    settings = read_config(config)
    yield_to_recorder()
    logs.configure(level=settings.log.level, form=settings.log.format)
    run_async(serve(settings))
