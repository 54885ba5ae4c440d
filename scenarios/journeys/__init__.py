"""One behaviour per file, over real HTTP, on any stack."""
