"""Settings and seeds in, experiments and a table of what they measured out: sweeps, on this machine or a
cluster.

settings.py plans the trials, cluster.py runs them with Ray, trial.py is one of them, on whatever machine,
repository.py takes in the experiments, table.py tells what they measured.
"""
