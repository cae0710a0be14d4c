"""What the tools' subcommands take and do; nothing here imports torch before it is needed."""
