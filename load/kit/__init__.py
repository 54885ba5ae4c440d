"""What a judged load run is made of, whatever system it is put on.

`run`, `rows` and `users` are for the process of Locust, which gevent patches. Everything else is
plain Python: the judge is a process of its own, and imports neither.
"""
