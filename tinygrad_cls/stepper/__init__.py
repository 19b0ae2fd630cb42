"""``tinygrad-cls step``: a page that steps through one backward pass, of an experiment of the
tutorial or of the reader's own code.
"""

from .command import add_step
from .recording import StepError, of_experiment, of_function, of_script

__all__ = ["StepError", "add_step", "of_experiment", "of_function", "of_script"]
