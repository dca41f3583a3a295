"""Estimators beyond the papers: projected and smooth factors, and a hybrid."""
