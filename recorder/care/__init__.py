"""Care of the database: rights, health, maintenance, and the schema as SQL for those who apply it by hand."""
