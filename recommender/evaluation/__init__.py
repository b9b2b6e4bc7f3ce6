"""Evaluation: how well contestants foresee what shoppers did, by fixed protocols on a log of events."""
