"""An e-commerce system on events: four HTTP APIs, relays, consumers and projections.

Read `table.py` first: it maps every event to what reacts to it and to what it shows.
Then `wiring.py`, the one place that chooses the real parts.
"""
