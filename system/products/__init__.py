"""Products and their stock: what may be sold, and which orders hold some of it."""
