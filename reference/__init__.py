"""The ground truth: PyTorch twins of the three experiments, and the comparison of both engines.

`python -m reference` trains every experiment on both engines from the same seed, prints what
they print, and judges the distance between them by a contract. Needs the extra `reference`.
"""
