"""The query side: which generation of views is read, how, and how a new one is built."""
