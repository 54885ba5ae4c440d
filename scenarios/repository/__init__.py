"""The repository's own promises: what README and docs say is true, what is pinned is complete."""
