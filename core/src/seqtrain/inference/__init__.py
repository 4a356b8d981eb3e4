"""Trained runs, ready to predict, to be measured, averaged, exported or imported."""
