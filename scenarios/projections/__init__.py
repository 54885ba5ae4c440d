"""Given events in any order of arrival, when folded, then one and the same view."""
