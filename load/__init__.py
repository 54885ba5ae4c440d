"""Load on the hot path of orders and reservations, judged at the end like everything else.

`orders.py` is the Locust file. `kit/` knows no shop: evidence, promises, verdicts, arrivals, rows
and charts. `shop/` says who asks for what, and what an order is to the judge. `bench/` measures the system
beside `limits/`, which do the same work without the guarantees.
"""
