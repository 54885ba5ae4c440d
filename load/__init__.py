"""Load on the hot path of orders and reservations, judged at the end like everything else."""
