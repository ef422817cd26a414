"""HTTP: a process of its own, client of the control socket and of PostgreSQL."""
