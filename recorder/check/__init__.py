"""What `ald-recorder check` asks and how it judges: read only, line by line, each line with a verdict."""
