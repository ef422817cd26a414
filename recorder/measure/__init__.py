"""What `ald-recorder bench` and the benchmarks measure of a database: ways to ask it, records and parameter steps."""
