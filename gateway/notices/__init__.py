"""Who is told of what: what happened and what is wrong become messages to the people who asked to hear of it."""
