"""What people decide here: of a handoff, a lead, a work item, who is one person, who gets handoffs; each recorded."""
