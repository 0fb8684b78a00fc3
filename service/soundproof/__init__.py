"""Soundproof certifies audio classifiers by randomized smoothing.

Implements "Representation Matters in Randomized Smoothing for Audio Classification" (arXiv:2606.04210).
"""

__version__ = "0.1.0"
