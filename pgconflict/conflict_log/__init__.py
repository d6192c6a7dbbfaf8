"""The conflict log database and nothing else."""
