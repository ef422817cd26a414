"""``ald-recorder status``: what the running daemon says of itself."""

from typing import Any

from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.output import clock_offset, print_json
from recorder.control import ask


@app.command()
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show how the running recorder is."""
    settings = read_config(config)
    picture: dict[str, Any] = run_async(ask(settings.control_socket, "status"))
    if json:
        print_json(picture)
        return
    if picture["state"] != "recording":
        print(f"{picture['machine']}: {picture['state']} (PID {picture['pid']}): {picture['reason']}")
        return
    process = picture["process"]
    scans, spool, writer = picture["scans"], picture["spool"], picture["writer"]
    print(f"{picture['machine']}: {picture['state']} (PID {picture['pid']})")
    if process is not None:
        where = ", ".join(f"{name} {process[name]}" for name in ("step", "cycle") if process[name] is not None)
        print(f"run       {process['process_id']} {process['kind']} {process['recipe']} {where}".rstrip())
    for device in picture["devices"]:
        trouble = f"; last error: {device['last_error']}" if device["last_error"] else ""
        round_trip = "" if device["round_trip_ms"] is None else f", {device['round_trip_ms']:.1f} ms a request"
        print(f"device    {device['name']}: {device['state']}{round_trip}{trouble}")
    print(
        f"slots     {scans['scheduled']} scheduled, {scans['completed']} completed, {scans['late']} late, "
        f"{scans['failed']} failed, {scans['skipped']} skipped"
    )
    print(f"database  {writer['state']}, {writer['rows']} rows written{_reason(writer['last_error'])}")
    queries = picture["queries_a_minute"]
    print(f"queries   {queries['all']} a minute: {queries['set_values']} of set-values, {queries['other']} others")
    entries = "entry" if spool["entries"] == 1 else "entries"
    print(f"spool     {spool['entries']} {entries}, {spool['bytes'] / 1e6:.1f} of {spool['max_bytes'] / 1e6:.0f} MB")
    print(f"lost      {picture['lost']} rows")
    audited = picture["audit"]["latest"]
    if audited is not None:
        print(f"audit     {audited['kind']} {audited['run']} {audited['verdict']}")
    definitions = picture["definitions"]
    print(f"reads     {definitions['readable']} parameters, as defined in the {definitions['source']}")
    clock = "synchronised" if picture["clock"]["synchronised"] else "NOT synchronised"
    offset = clock_offset(picture["clock"]["offset_us"])
    print(f"clock     {clock}, {offset} recorded times; disk {picture['disk_used_percent']:.0f} % used")
    lag = picture["event_loop_lag_ms"]
    print(f"{'latency, ms':17}{'p50':>10}{'p95':>10}{'p99':>10}{'max':>10}")
    loop = {"event loop late": lag["late"], "event loop held": lag["held"]}
    for stage, figures in {**picture["latency_ms"], **loop}.items():
        cells = "".join(f"{figures[name]:10.2f}" for name in ("p50", "p95", "p99", "max"))
        print(f"{stage.replace('_', ' '):17}{cells}")


def _reason(error: str | None) -> str:
    return f"; {error}" if error else ""
