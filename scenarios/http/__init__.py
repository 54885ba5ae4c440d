"""What all HTTP interfaces have in common, seen on a toy one."""
