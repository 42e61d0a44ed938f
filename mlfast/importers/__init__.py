"""Fitted estimators and model files to `spec.Model`, one module a family."""
