#!/usr/bin/env bash
# Surprise: a training that restores its best weights and logs their accuracy last has the accuracy of its last
# epoch in MLflow, 61% instead of 93%, and `search_runs` ranks it below a run with 80%.
# Guess: a metric has the value that was logged last. MLflow's docstring of `RunData.metrics` says so, too: "the
# metric value with the latest timestamp is returned".
# Seen with mlflow-skinny 3.17.2 and SQLAlchemy 2.1.9 on SQLite: the value with the highest step counts, and one
# that is logged without a step has step 0. Logged at the best epoch's number, it does not count either.
# Why it matters: the last epoch's weights, which nobody kept, then decide filters and the choice of the best run.
# The right value is only in the metric's history, among the first. Log it at a step after all epochs, or under
# another name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1 pandas==3.1.1
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true venv/bin/python - <<'PYTHON'
import time

import mlflow

mlflow.set_tracking_uri("sqlite:///runs.db")
epochs = [0.70, 0.93, 0.80, 0.61]  # the second is the best


def train(name, accuracies, **final):
    """Log an accuracy per epoch, then that of the best weights, later than all others."""
    with mlflow.start_run(run_name=name) as run:
        for epoch, accuracy in enumerate(accuracies):
            mlflow.log_metric("accuracy", accuracy, step=epoch)
        time.sleep(0.1)
        mlflow.log_metric("accuracy", max(accuracies), **final)
    metric = mlflow.get_run(run.info.run_id).data.metrics["accuracy"]
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "accuracy")
    latest = max(history, key=lambda entry: entry.timestamp)
    print(f"{name}: logged last {latest.value}, shown {metric}")
    assert latest.value == max(accuracies)
    return metric


seen = [
    train("without a step", epochs),
    train("at the best epoch", epochs, step=1),
    train("after all epochs", epochs, step=len(epochs)),
    train("a worse training", [0.60, 0.70, 0.75, 0.80]),
]
ranking = [*mlflow.search_runs(order_by=["metrics.accuracy DESC"])["tags.mlflow.runName"]]
print("ranking:", ", ".join(ranking))
assert seen == [0.61, 0.61, 0.93, 0.80], "the value logged last is shown now"
assert ranking[:2] == ["after all epochs", "a worse training"]
PYTHON
