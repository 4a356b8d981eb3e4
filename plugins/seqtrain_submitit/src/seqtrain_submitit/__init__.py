"""A launcher that sends a run to SLURM, with Meta's submitit."""
