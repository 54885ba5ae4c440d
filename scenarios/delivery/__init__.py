"""Everything between commit and effect: the real chain, lanes and relays, on a virtual clock."""
