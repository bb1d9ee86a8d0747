"""Design spaces: sweeps that stop and go on, their fronts, and what to change."""
