"""The commands: one file a group; each prints its result, or one line that says what, where and what to do."""
