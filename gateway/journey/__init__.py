"""Where a lead stands: personas, the company's stages, handoffs to sales and the buckets they end in.

Before: scoring, which says how many points a lead has. After: sync, which carries the handoff and the stage out.

``check``     what is wrong with journey.yaml     ``journey``   what it says, compiled
``facts``     what is known of one lead           ``advance``   facts + where it stood → where it stands, what is due
"""
