"""What the engines' datapaths compute, step by step on integers: references for their papers' products."""
