"""Orders: placed, paid, processed, canceled; and what they know of their reservation."""
