"""MLPClassifier, MLPRegressor: from what users give to tasks, and from results to predictions."""
