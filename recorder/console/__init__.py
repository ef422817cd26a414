"""The operator's console: a process of its own, client of the daemon's control socket."""
