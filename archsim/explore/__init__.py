"""Design spaces: sweeps over many designs, what is best among them, and why."""
