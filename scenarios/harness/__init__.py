"""What scenarios stand on, and the only part of them that others may import."""
