"""What makes the tables of docs/ and experiments/: see experiments/remake.py."""
