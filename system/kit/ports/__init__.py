"""What the system needs from outside. Types only: each has one adapter per stack."""
