"""What each metric says, worked out once: commands, the desk and the API tell it, each in its own way."""
