"""What is observed of a state: `fortran/observation` in Python."""
