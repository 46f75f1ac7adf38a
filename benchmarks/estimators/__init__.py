"""The estimators of scikit-learn compared with its own network of the same width: cross-validated scores and times."""
