"""An e-commerce system on events: four HTTP APIs, relays, consumers and projections.

Read `table.py` first: it maps every event to what reacts to it and to what it shows.
`kit/` is what knows nothing of the shop, and is made to be copied.
"""
