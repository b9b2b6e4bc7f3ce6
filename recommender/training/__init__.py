"""Training: from what happened to a model version. It loads LightFM, LightGBM and pandas; serving does without."""
