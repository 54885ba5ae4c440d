"""Systems of others, judged from outside: the runner, and two systems to see it at work."""
