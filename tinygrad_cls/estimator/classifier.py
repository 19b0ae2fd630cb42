"""MLPClassifier: scikit-learn's, trained by this engine's replay."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .. import float32, float64, from_numpy, inference_mode, to_torch
from ..nn import functional as F
from .inputs import CONSTRAINTS, checked, hidden_sizes, rows_alone, weighted
from .network import Trainer, linears, network

Array = NDArray[Any]
Rows = tuple[Array, Array, Array | None]
"""Rows, targets as the loss takes them, and weights."""


class MLPClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A multilayer perceptron for two or more classes, as scikit-learn's class of this name.

    Minimizes ``(sum w l + alpha/2 sum W**2) / sum w`` over each batch, where l is the cross-entropy
    of a row (of one logit for two classes, else of a logit a class), w its weight and W the weights
    of the layers, biases left out. Trained by replay (:func:`tinygrad_cls.compile`), in float32 for
    float32 data, else in float64. Needs the extra `sklearn`.

    Parameters as in scikit-learn: ``hidden_layer_sizes``, ``activation`` ("identity", "logistic",
    "tanh", "relu"), ``solver`` ("adam", "sgd"), ``alpha``, ``batch_size``, ``learning_rate_init``,
    ``max_iter``, ``shuffle``, ``random_state``, ``tol``, ``verbose``, ``warm_start``, ``momentum``,
    ``nesterovs_momentum``, ``early_stopping``, ``validation_fraction``, ``beta_1``, ``beta_2``,
    ``epsilon``, ``n_iter_no_change``; and

    - ``class_weight``: None, "balanced" or a dict from class to weight; it multiplies
      ``sample_weight``.
    - ``random_state``: an int also is PyTorch's seed: the initial weights are those of PyTorch's
      ``nn.Sequential`` after ``torch.manual_seed(random_state)``.

    Attributes beside scikit-learn's ``classes_``, ``n_features_in_``, ``coefs_``, ``intercepts_``,
    ``n_iter_``, ``loss_``, ``best_loss_``, ``loss_curve_``, ``validation_scores_``,
    ``best_validation_score_``: ``score_curve_``, the accuracy on the training rows as they came;
    ``validation_loss_curve_``, which like ``validation_scores_`` is None without early stopping;
    ``module_``, the network.

    >>> from sklearn.datasets import make_circles
    >>> X, y = make_circles(200, noise=0.03, random_state=0)
    >>> model = MLPClassifier((10, 10), learning_rate_init=0.03, max_iter=300, random_state=42)
    >>> model.fit(X, y).score(X, y)
    1.0
    """

    _parameter_constraints = CONSTRAINTS

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        class_weight: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight

    # --- learning ---------------------------------------------------------------------------------

    @inference_mode(False)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Learns from the rows of X (rows, features) and their classes y (rows,).

        Raises:
            ValueError: for nan, text, one class only, negative weights and what else can't be
                learned from.
            TypeError: for sparse X.
        """
        self._validate_params()
        again = self.warm_start and hasattr(self, "_trainer")
        kind = self._going_on() if again else None
        X, y, weight = checked(self, X, y, sample_weight, kind)
        found = np.unique(y)
        if again and not np.array_equal(found, self.classes_):
            raise ValueError(
                f"warm_start goes on with the classes {self.classes_.tolist()}, but y has "
                f"{found.tolist()}"
            )
        if not again:
            self._start(X, found)
        self._begin()
        validation = None
        if self.early_stopping:
            X, y, weight, validation = self._held_out(X, y, weight)
        rows = self._targets(X, y, weight, self.class_weight)
        size = self._batch_rows(len(X))
        for _ in range(self.max_iter):
            if self._epoch(rows, size, validation):
                break
        else:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the "
                f"optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )
        if validation is not None:
            self._restore()
        return self

    @inference_mode(False)  # type: ignore[untyped-decorator]
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> MLPClassifier:
        """One pass over the rows, from the weights as they are. The first call needs ``classes``,
        all that will come.
        """
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        self._validate_params()
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which never sees all "
                "rows: give the weights as a dict"
            )
        first = not hasattr(self, "_trainer")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        X, y, weight = checked(self, X, y, sample_weight, None if first else self._going_on())
        if first:
            self._start(X, np.unique(classes))
            self._begin()
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        strange = np.setdiff1d(y, self.classes_)
        if len(strange):
            raise ValueError(f"y has new labels {strange.tolist()}: classes are {self.classes_}")
        rows = self._targets(X, y, weight, self.class_weight)
        self._epoch(rows, self._batch_rows(len(X)), None)
        return self

    def _going_on(self) -> np.dtype[Any]:
        """The dtype of the network as it is; ValueError if the parameters ask for another one."""
        asked = hidden_sizes(self.hidden_layer_sizes), self.activation
        if asked != self._shape:
            raise ValueError(
                f"training goes on with hidden_layer_sizes={self._shape[0]} and activation="
                f"{self._shape[1]!r}, but they are {asked[0]} and {asked[1]!r} now: fit with "
                f"warm_start=False to start anew"
            )
        return self._trainer.vector.dtype

    def _start(self, X: Array, classes: Array) -> None:
        """A new network."""
        if len(classes) < 2:
            raise ValueError(
                f"MLPClassifier needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {classes.tolist()[0]!r}"
            )
        hidden = hidden_sizes(self.hidden_layer_sizes)
        self.classes_ = classes
        self._shape = hidden, self.activation
        self._random = check_random_state(self.random_state)
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = self._random.randint(np.iinfo(np.int32).max)
        outputs = 1 if len(classes) == 2 else len(classes)
        kind = float32 if X.dtype == np.float32 else float64
        self.module_ = network([X.shape[1], *hidden, outputs], self.activation, int(seed), kind)
        self._trainer = Trainer(self.module_)
        self.n_iter_ = self.t_ = 0
        self.n_outputs_, self.n_layers_ = outputs, len(hidden) + 2
        self.out_activation_ = "logistic" if outputs == 1 else "softmax"
        self.loss_curve_: list[float] = []
        self.score_curve_: list[float] = []
        self.validation_loss_curve_: list[float] | None = None
        self.validation_scores_: list[float] | None = None
        self._split: int | None = None

    def _begin(self) -> None:
        """What a fit judges its progress by; both curves of an earlier one go on."""
        watched = self.early_stopping
        if watched and self.validation_scores_ is None:
            self.validation_loss_curve_, self.validation_scores_ = [], []
        self.best_loss_: float | None = None if watched else np.inf
        self.best_validation_score_: float | None = -np.inf if watched else None
        self._in_vain = 0
        self._best: dict[str, Any] | None = None

    def _held_out(self, X: Array, y: Array, weight: Array | None) -> Any:
        """The rows to learn from, and those that tell when to stop: the same in a later fit."""
        if self._split is None:
            self._split = self._random.randint(np.iinfo(np.int32).max)
        parts = train_test_split(
            *([X, y] if weight is None else [X, y, weight]),
            test_size=self.validation_fraction,
            random_state=self._split,
            stratify=y,
        )
        if len(parts[1]) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        if weight is None:
            parts += [None, None]
        X, X_held, y, y_held, weight, weight_held = parts
        return X, y, weight, self._targets(X_held, y_held, weight_held, None)

    def _targets(self, X: Array, y: Array, weight: Array | None, by_class: Any) -> Rows:
        """The rows, the numbers of their classes as the loss takes them, and their weights."""
        number = np.searchsorted(self.classes_, y)
        weight = weighted(by_class, self.classes_, number, weight, X.dtype)
        target = number.astype(X.dtype) if self.n_outputs_ == 1 else number
        return X, target, weight

    def _batch_rows(self, n: int) -> int:
        """The rows of a batch out of ``n``."""
        size: int = min(200, n) if self.batch_size == "auto" else self.batch_size
        if size > n:
            warnings.warn(
                f"batch_size={size} is larger than the {n} rows to learn from, which are one batch",
                stacklevel=3,
            )
        return min(size, n)

    def _epoch(self, rows: Rows, size: int, validation: Rows | None) -> bool:
        """One pass over the rows; whether it's time to stop."""
        X, t, weight = rows
        n = len(X)
        total = n if weight is None else float(weight.sum())
        order = self._random.permutation(n) if self.shuffle else None
        loss = score = 0.0
        for start in range(0, n, size):
            batch: Any = slice(start, start + size)
            batch = batch if order is None else order[batch]
            w = None if weight is None else weight[batch]
            parts = self._trainer.step(X[batch], t[batch], w, self)
            share = (min(size, n - start) if w is None else float(w.sum())) / total
            loss, score = loss + share * parts[0], score + share * parts[1]
        self.n_iter_ += 1
        self.t_ += n
        self.loss_ = loss
        self.loss_curve_.append(loss)
        self.score_curve_.append(score)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")
        if not (np.isfinite(loss) and np.isfinite(self._trainer.vector).all()):
            raise ValueError(
                f"Solver produced non-finite parameter weights in iteration {self.n_iter_}, with a "
                f"loss of {loss}. The input data may contain large values and need to be "
                f"preprocessed, or learning_rate_init={self.learning_rate_init} be made smaller."
            )
        return self._is_enough(validation)

    def _is_enough(self, validation: Rows | None) -> bool:
        """Whether nothing improved by more than ``tol`` for ``n_iter_no_change`` epochs."""
        if validation is not None:
            assert self.validation_scores_ is not None
            assert self.validation_loss_curve_ is not None
            with inference_mode():
                loss, score = self._trainer.measure(*validation)
            self.validation_loss_curve_.append(loss)
            self.validation_scores_.append(score)
            best: float = self.best_validation_score_  # type: ignore[assignment]
            better, record = score >= best + self.tol, score > best
            if record:
                self.best_validation_score_ = score
                self._best = {k: v.clone() for k, v in self.module_.state_dict().items()}
            if self.verbose:
                print(f"Validation score: {score:f}")
        else:
            best = np.inf if self.best_loss_ is None else self.best_loss_
            better = self.loss_ <= best - self.tol
            self.best_loss_ = min(best, self.loss_)
        self._in_vain = 0 if better else self._in_vain + 1
        return self._in_vain > self.n_iter_no_change

    def _restore(self) -> None:
        """The weights of the best validation score."""
        if self._best is not None:
            self.module_.load_state_dict(self._best)
        self._best = None
        self._in_vain = 0

    # --- telling ----------------------------------------------------------------------------------

    def _logits(self, X: Any) -> Any:
        check_is_fitted(self, "module_")
        X = rows_alone(self, X, self._trainer.vector.dtype)
        with inference_mode():
            return self.module_(from_numpy(X))

    def decision_function(self, X: Any) -> Array:
        """The logits: (rows,) of the second class for two classes, else (rows, classes)."""
        z: Array = np.array(self._logits(X))
        return z[:, 0] if self.n_outputs_ == 1 else z

    def predict(self, X: Any) -> Array:
        """The likeliest class of every row."""
        z = self.decision_function(X)
        found: Array = self.classes_[(z > 0).astype(int) if z.ndim == 1 else z.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (rows, classes)."""
        found: Array = np.exp(self.predict_log_proba(X))
        return found

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms of the probabilities, finite where these are 0 in floating point."""
        z = self._logits(X)
        with inference_mode():
            if self.n_outputs_ == 1:
                return np.hstack([F.logsigmoid(-z), F.logsigmoid(z)])
            found: Array = np.array(F.log_softmax(z, dim=1))
        return found

    @property
    def coefs_(self) -> list[Array]:
        """The weights of the layers, (inputs, outputs) each: a copy."""
        return [np.array(layer.weight.detach().T) for layer in linears(self.module_)]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of the layers: a copy."""
        return [np.array(layer.bias.detach()) for layer in linears(self.module_)]  # type: ignore[union-attr]

    def to_torch(self) -> Any:
        """The network as PyTorch's ``nn.Sequential``, whose output are the logits.

        Raises:
            ImportError: PyTorch is not installed.
        """
        check_is_fitted(self, "module_")
        return to_torch(self.module_).eval()
