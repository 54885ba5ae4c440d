"""What lies in the topics: the AsyncAPI document, and the judge of every message."""
