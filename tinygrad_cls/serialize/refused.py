"""What a file that isn't loaded raises."""

import pickle


class FileRefused(RuntimeError, pickle.UnpicklingError):
    """A file that is damaged, or holds more than tensors and containers: nothing was loaded.

    torch raises RuntimeError for a damaged archive and UnpicklingError for a pickle that it
    refuses; this is both. The message says which file, what was found there and what to do.
    """
