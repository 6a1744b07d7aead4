"""skorch callbacks inside a scikit-learn estimator: scores, a schedule, a checkpoint, a stop.

python examples/callbacks.py
"""

import tempfile

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Checkpoint, EarlyStopping, EpochScoring, LRScheduler

from skmlp import MLPClassifier


def main():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    X, X_val, y, y_val = train_test_split(X, y, random_state=0, stratify=y)
    with tempfile.TemporaryDirectory() as folder:
        model = MLPClassifier(
            (32,),
            learning_rate_init=0.02,
            random_state=0,
            verbose=1,
            callbacks=[
                EpochScoring("roc_auc", lower_is_better=False),
                LRScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=50),
                EarlyStopping(monitor="valid_loss", patience=8),
                Checkpoint(monitor="valid_loss_best", dirname=folder, load_best=True),
            ],
        ).fit(X, y, X_val=X_val, y_val=y_val)
    print(f"stopped by: {model.stopping_reason_}, after {model.n_iter_} epochs")
    print(f"validation accuracy of the best epoch's weights: {model.score(X_val, y_val):.3f}")


if __name__ == "__main__":
    main()
