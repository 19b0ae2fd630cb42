"""Which tests hold which names: the proofs that `reference/surface.py` prints.

By owner (a module or class; empty for the package), then by test, the names that it holds against
PyTorch, with their options. What the table of ops (`tinygrad_cls/ops.py`) provides isn't listed:
the laws in `tests/laws` run on every entry. Options that no example of the table uses are proven
by the tests listed here. `tests/test_surface.py` refuses a proof that doesn't use what it proves.
"""

PROOFS: dict[str, dict[str, str]] = {
    "": {
        "test_tensor.py::test_tensor_of_python_data": "tensor",
        "test_replay_door.py::test_compiled_functions_are_torchs": "compile",
        "test_tensor.py::test_as_tensor_and_from_numpy": "as_tensor from_numpy",
        "test_tensor.py::test_of_a_shape": (
            "empty empty_like eye full full_like ones ones_like zeros zeros_like"
        ),
        "test_tensor.py::test_ranges": "arange linspace",
        "test_tensor.py::test_legacy_constructors": (
            "BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor "
            "LongTensor ShortTensor Tensor is_tensor"
        ),
        "test_tensor.py::test_random": (
            "Generator initial_seed manual_seed rand randint randn randperm"
        ),
        "test_random.py::test_rules": (
            "Generator bernoulli default_generator get_rng_state initial_seed manual_seed rand "
            "randint randn randperm seed set_rng_state"
        ),
        "test_stream.py::test_any_calls_in_any_order": "bernoulli rand randint randn randperm",
        "test_tensor.py::test_default_dtype": "get_default_dtype set_default_dtype",
        "test_tensor.py::test_questions_to_dtypes": (
            "can_cast finfo iinfo promote_types result_type"
        ),
        "test_tensor.py::test_dtypes_and_sizes": (
            "Size bool double dtype float float16 float32 float64 half int int16 int32 int64 int8 "
            "long short uint8"
        ),
        "test_tensor.py::test_devices": "device",
        "test_tensor.py::test_what_a_tensor_says_of_itself": "is_floating_point numel",
        "test_autograd_rules.py::test_modes": (
            "enable_grad inference_mode is_grad_enabled is_inference_mode_enabled no_grad "
            "set_grad_enabled"
        ),
        "test_threads.py::test_what_another_thread_finds": "set_grad_enabled",
        "test_formatting.py::test_options_act_as_in_torch": "set_printoptions",
        "test_serialize.py::test_torch_sees_the_same": "load save",
        "test_surface_gaps.py::test_files": "load save",
        "test_surface_gaps.py::test_creation": (
            "Size Tensor arange bernoulli e empty empty_like eye full full_like inf linspace nan "
            "ones ones_like pi rand_like randint randn randn_like randperm zeros_like"
        ),
        "test_surface_gaps.py::test_modes_around_a_function": "enable_grad no_grad",
        "test_surface_gaps.py::test_options_of_ops": (
            "add allclose chunk flatten isclose median min norm prod sort std sub topk var"
        ),
    },
    "device": {"test_tensor.py::test_devices": "index type __eq__ __hash__ __repr__ __str__"},
    "dtype": {
        "test_tensor.py::test_dtypes_and_sizes": (
            "is_complex is_floating_point is_signed itemsize __repr__"
        ),
    },
    "enable_grad": {"test_autograd_rules.py::test_modes": "__call__ __enter__ __exit__"},
    "inference_mode": {"test_autograd_rules.py::test_modes": "__call__ __enter__ __exit__"},
    "no_grad": {"test_autograd_rules.py::test_modes": "__call__ __enter__ __exit__"},
    "set_grad_enabled": {"test_autograd_rules.py::test_modes": "__call__ __enter__ __exit__"},
    "finfo": {
        "test_tensor.py::test_questions_to_dtypes": "bits dtype eps max min resolution tiny",
        "test_surface_gaps.py::test_creation": "smallest_normal",
    },
    "iinfo": {"test_tensor.py::test_questions_to_dtypes": "bits dtype max min"},
    "Generator": {
        "test_random.py::test_rules": ("device get_state initial_seed manual_seed seed set_state"),
        "test_random.py::test_states_are_exchanged": "set_state",
    },
    "Size": {
        "test_tensor.py::test_dtypes_and_sizes": (
            "numel __add__ __getitem__ __mul__ __radd__ __repr__ __rmul__"
        ),
    },
    "Tensor": {
        "test_tensor.py::test_what_a_tensor_says_of_itself": (
            "device dim dtype element_size grad grad_fn is_complex is_contiguous "
            "is_floating_point is_inference is_leaf is_signed is_sparse itemsize nbytes ndim "
            "ndimension nelement numel requires_grad shape size stride"
        ),
        "test_tensor.py::test_devices": "cpu is_cuda to",
        "test_surface_gaps.py::test_without_a_gpu": "cuda",
        "test_tensor.py::test_conversions": (
            "bool double float half int long short to type type_as"
        ),
        "test_tensor.py::test_protocols": (
            "item tolist __bool__ __contains__ __float__ __hash__ __index__ __int__ __invert__ "
            "__iter__ __len__ __pos__ __abs__ __neg__ __rpow__"
        ),
        "test_tensor.py::test_promotion": (
            "__add__ __and__ __eq__ __floordiv__ __ge__ __gt__ __le__ __lt__ __mod__ __mul__ "
            "__ne__ __or__ __pow__ __radd__ __rand__ __rfloordiv__ __rmod__ __rmul__ __ror__ "
            "__rsub__ __rtruediv__ __rxor__ __sub__ __truediv__ __xor__"
        ),
        "test_tensor.py::test_promotion_in_place": (
            "__iadd__ __iand__ __ifloordiv__ __imod__ __imul__ __ior__ __ipow__ __isub__ "
            "__itruediv__ __ixor__"
        ),
        "test_tensor.py::test_formatting": "__format__",
        "test_tensor.py::test_repr": "__matmul__ __repr__",
        "test_tensor.py::test_numpy": "numpy __array__ __array_wrap__",
        "test_tensor.py::test_random": "normal_ uniform_",
        "test_random.py::test_rules": "normal_ uniform_",
        "test_indexing.py::test_reading": "__getitem__",
        "test_indexing.py::test_assignment": "__setitem__",
        "test_indexing.py::test_mistakes": "__delitem__ __setitem__",
        "test_autograd_rules.py::test_backward": "backward",
        "test_autograd_rules.py::test_inputs": "backward",
        "test_autograd_rules.py::test_create_graph": "backward",
        "test_autograd_rules.py::test_hooks": "register_hook",
        "test_autograd_rules.py::test_retain_grad": "retain_grad retains_grad",
        "test_autograd_rules.py::test_in_place": "copy_ detach_ fill_ zero_",
        "test_autograd_rules.py::test_in_place_refuses": "requires_grad_",
        "test_autograd_rules.py::test_data_and_grad": "data detach grad",
        "test_autograd_rules.py::test_views": "T contiguous mT unbind",
        "test_function.py::test_in_place_and_handed_through": "data_ptr",
        "test_surface_gaps.py::test_methods": (
            "byte char copy_ expand_as normal_ reshape_as size stride type unbind uniform_ view_as "
            "where"
        ),
    },
    "ctx": {
        "test_function.py::test_saved": "save_for_backward saved_tensors",
        "test_function.py::test_several_outputs": "mark_non_differentiable set_materialize_grads",
        "test_function.py::test_in_place_and_handed_through": "mark_dirty",
        "test_function.py::test_arguments": "needs_input_grad",
    },
    "grad_fn": {"test_autograd_rules.py::test_history": "name next_functions __repr__"},
    "handle": {"test_autograd_rules.py::test_hooks": "remove __enter__ __exit__"},
    "nn": {
        "test_loss_lattice.py::test_every_option": (
            "BCELoss BCEWithLogitsLoss CrossEntropyLoss L1Loss MSELoss NLLLoss SmoothL1Loss"
        ),
        "test_layers.py::test_batch_norm": "BatchNorm1d",
        "test_layers.py::test_batch_norm_rules": "BatchNorm1d",
        "test_layers.py::test_dropout_has_torchs_bits": "Dropout",
        "test_layers.py::test_activation_rules": "LeakyReLU LogSigmoid Softplus",
        "test_layers.py::test_activations": "LeakyReLU LogSigmoid Softplus",
        "test_nn.py::test_layers": "Flatten Identity Linear LogSoftmax ReLU Sigmoid Softmax Tanh",
        "test_nn.py::test_layer_rules": "Flatten Linear LogSoftmax ReLU Softmax",
        "test_nn.py::test_linear_starts_with_torchs_bits": "Linear",
        "test_nn.py::test_registration": "Module",
        "test_nn.py::test_parameter": "Parameter",
        "test_nn.py::test_containers": "ModuleList Sequential",
        "test_nn.py::test_listed": "ModuleList Sequential",
        "test_containers.py::test_module_dict": "ModuleDict",
        "test_containers.py::test_buffer": "Buffer",
    },
    "nn.BatchNorm1d": {
        "test_layers.py::test_batch_norm": "affine eps momentum track_running_stats",
        "test_layers.py::test_batch_norm_rules": (
            "bias num_batches_tracked reset_parameters reset_running_stats running_mean "
            "running_var weight"
        ),
        "test_surface_gaps.py::test_modules": "num_features",
    },
    "nn.BCELoss": {"test_surface_gaps.py::test_modules": "reduction weight"},
    "nn.BCEWithLogitsLoss": {"test_surface_gaps.py::test_modules": "pos_weight reduction weight"},
    "nn.CrossEntropyLoss": {
        "test_surface_gaps.py::test_modules": "ignore_index label_smoothing reduction weight"
    },
    "nn.NLLLoss": {"test_surface_gaps.py::test_modules": "ignore_index reduction weight"},
    "nn.Linear": {
        "test_nn.py::test_init_rules": "reset_parameters",
        "test_surface_gaps.py::test_modules": "bias in_features out_features weight",
    },
    "nn.Module": {
        "test_nn.py::test_registration": (
            "add_module buffers children get_submodule named_buffers named_children "
            "named_modules named_parameters register_buffer register_module "
            "register_parameter __delattr__ __dir__ __setattr__"
        ),
        "test_nn.py::test_shared_modules": "children named_modules named_parameters",
        "test_nn.py::test_modes": "eval requires_grad_ train training zero_grad",
        "test_nn.py::test_conversion": "double float half to",
        "test_nn.py::test_repr": "__repr__",
        "test_nn.py::test_state": "load_state_dict state_dict",
        "test_nn.py::test_layers": "__call__",
        "test_containers.py::test_paths": (
            "get_buffer get_parameter modules register_parameter set_submodule type"
        ),
        "test_hooks.py::test_forward": ("forward register_forward_hook register_forward_pre_hook"),
        "test_hooks.py::test_backward": (
            "register_full_backward_hook register_full_backward_pre_hook"
        ),
        "test_surface_gaps.py::test_modules": (
            "apply buffers cpu extra_repr named_buffers named_modules parameters to train"
        ),
        "test_surface_gaps.py::test_without_a_gpu": "cuda",
    },
    "nn.ModuleDict": {
        "test_containers.py::test_module_dict": (
            "clear items keys pop update values __contains__ __delitem__ __getitem__ __iter__ "
            "__len__ __setitem__"
        ),
    },
    "nn.ModuleList": {
        "test_nn.py::test_listed": (
            "append extend insert pop __add__ __delitem__ __getitem__ __iadd__ __iter__ __len__ "
            "__setitem__"
        ),
    },
    "nn.Sequential": {
        "test_nn.py::test_listed": (
            "append extend insert pop __add__ __delitem__ __getitem__ __iadd__ __iter__ __len__ "
            "__setitem__"
        ),
    },
    "nn.functional": {
        "test_loss_lattice.py::test_every_option": (
            "binary_cross_entropy binary_cross_entropy_with_logits cross_entropy l1_loss mse_loss "
            "nll_loss smooth_l1_loss"
        ),
        "test_layers.py::test_batch_norm_rules": "batch_norm",
        "test_layers.py::test_dropout_rules": "dropout",
        "test_layers.py::test_activation_rules": "leaky_relu",
        "test_nn.py::test_layer_rules": "log_softmax relu softmax",
        "test_nn.py::test_softmax_without_dim_warns_and_guesses": "log_softmax softmax",
        "test_surface_gaps.py::test_functions": (
            "batch_norm linear logsigmoid one_hot sigmoid softplus tanh"
        ),
    },
    "nn.init": {
        "test_nn.py::test_init_has_torchs_bits": (
            "constant_ kaiming_normal_ kaiming_uniform_ normal_ ones_ uniform_ xavier_normal_ "
            "xavier_uniform_ zeros_"
        ),
        "test_nn.py::test_init_rules": "calculate_gain normal_ uniform_",
        "test_nn_utils.py::test_init": (
            "kaiming_normal_ kaiming_uniform_ xavier_normal_ xavier_uniform_"
        ),
    },
    "nn.utils": {
        "test_nn_utils.py::test_clipping": "clip_grad_norm_ clip_grad_value_",
        "test_nn_utils.py::test_utils": (
            "clip_grad_norm_ clip_grad_value_ clip_grads_with_norm_ get_total_norm "
            "parameters_to_vector vector_to_parameters"
        ),
        "test_surface_gaps.py::test_utilities": "clip_grads_with_norm_ get_total_norm",
    },
    "optim": {
        "test_optim_lattice.py::test_sgd": "SGD",
        "test_optim_lattice.py::test_adam": "Adam",
        "test_optim.py::test_groups_and_state": "Optimizer",
        "test_surface_gaps.py::test_optimizers": "Adam SGD",
    },
    "optim.Optimizer": {
        "test_optim.py::test_steps": "param_groups step zero_grad",
        "test_optim.py::test_groups_and_state": (
            "add_param_group defaults load_state_dict state state_dict __repr__"
        ),
        "test_optim_lattice.py::test_sgd": "add_param_group load_state_dict state_dict step",
        "test_surface_gaps.py::test_optimizers": "step",
    },
    "optim.lr_scheduler": {
        "test_optim_lattice.py::test_schedulers": (
            "CosineAnnealingLR ExponentialLR LambdaLR StepLR"
        ),
        "test_optim.py::test_schedulers": "LRScheduler",
        "test_surface_gaps.py::test_optimizers": "LRScheduler",
    },
    "optim.lr_scheduler.CosineAnnealingLR": {
        "test_surface_gaps.py::test_optimizers": "T_max eta_min",
    },
    "optim.lr_scheduler.LambdaLR": {"test_surface_gaps.py::test_optimizers": "lr_lambdas"},
    "optim.lr_scheduler.LRScheduler": {
        "test_optim_lattice.py::test_schedulers": (
            "get_last_lr get_lr load_state_dict state_dict step"
        ),
        "test_surface_gaps.py::test_optimizers": "base_lrs gamma last_epoch optimizer",
    },
    "optim.lr_scheduler.StepLR": {"test_surface_gaps.py::test_optimizers": "step_size"},
    "utils.data": {
        "test_data.py::test_every_batch_and_every_draw": (
            "DataLoader RandomSampler SubsetRandomSampler TensorDataset"
        ),
        "test_data.py::test_pinned_memory": "DataLoader",
        "test_data.py::test_workers_change_no_batch": "DataLoader",
        "test_data.py::test_as_torch": (
            "BatchSampler ConcatDataset DataLoader Dataset RandomSampler Sampler "
            "SequentialSampler Subset default_collate default_convert random_split"
        ),
    },
    "utils.data.BatchSampler": {
        "test_data.py::test_as_torch": "batch_size drop_last sampler __len__",
    },
    "utils.data.ConcatDataset": {
        "test_data.py::test_as_torch": "cumulative_sizes datasets __len__",
    },
    "utils.data.DataLoader": {
        "test_data.py::test_as_torch": (
            "batch_sampler batch_size collate_fn dataset drop_last generator num_workers "
            "pin_memory sampler timeout __iter__ __len__ __setattr__"
        ),
        "test_surface_gaps.py::test_data": (
            "in_order multiprocessing_context persistent_workers pin_memory_device "
            "prefetch_factor worker_init_fn"
        ),
    },
    "utils.data.Dataset": {"test_data.py::test_as_torch": "__add__ __getitem__"},
    "utils.data.RandomSampler": {
        "test_data.py::test_as_torch": "data_source generator num_samples __len__",
        "test_data.py::test_every_batch_and_every_draw": "replacement",
    },
    "utils.data.Sampler": {"test_data.py::test_as_torch": "__iter__"},
    "utils.data.SequentialSampler": {"test_data.py::test_as_torch": "data_source __len__"},
    "utils.data.Subset": {"test_data.py::test_as_torch": "dataset indices __getitems__ __len__"},
    "utils.data.SubsetRandomSampler": {
        "test_data.py::test_as_torch": "indices __len__",
        "test_data.py::test_every_batch_and_every_draw": "generator",
    },
    "utils.data.TensorDataset": {"test_data.py::test_as_torch": "tensors __len__"},
    "autograd": {
        "test_autograd_rules.py::test_backward": "backward",
        "test_autograd_rules.py::test_inputs": "backward",
        "test_autograd_rules.py::test_create_graph": "backward grad",
        "test_autograd_rules.py::test_retain_graph": "backward",
        "test_autograd_rules.py::test_grad": "grad",
        "test_anomaly.py::test_switched": "detect_anomaly set_detect_anomaly",
        "test_function.py::test_an_op": "Function",
        "test_gradcheck.py::test_gradcheck_as_torchs": "gradcheck",
        "test_gradcheck.py::test_gradgradcheck_as_torchs": "gradgradcheck",
    },
    "autograd.set_detect_anomaly": {"test_anomaly.py::test_switched": "__enter__ __exit__"},
    "autograd.Function": {
        "test_function.py::test_an_op": "apply backward forward setup_context",
        "test_function.py::test_arguments": "__call__",
    },
    "autograd.functional": {
        "test_functional.py::test_in_full": "hessian jacobian",
        "test_functional.py::test_products": "hvp jvp vhp vjp",
        "test_functional.py::test_refuses": "hessian jacobian",
    },
    "cuda": {
        "test_tensor.py::test_devices": ("device_count is_available manual_seed manual_seed_all"),
        "test_surface_gaps.py::test_without_a_gpu": "empty_cache synchronize",
    },
}

CONTRACT = "([contract](contract.md#known-exceptions))"
LABELS = (
    "partial: a row of scores with its label in a list works, and a weight of shape (1, C) for a "
    "grid is refused, where PyTorch can't decide (`differs` in `tests/loss_cases.py`)"
)
REDUCTION = f"partial: an unknown `reduction` is refused when the loss is made {CONTRACT}"
BESIDE_NAN = (
    "partial: beside nan and infinities the gradient is this engine's own (`OWN_BESIDE_NAN` in "
    "`tests/laws/test_value.py`)"
)
ANY_ORDER = f"partial: which index among equal values PyTorch leaves open {CONTRACT}"
NOTES: dict[str, str] = {
    "Tensor.__delitem__": "refused by both",
    "Tensor.__setitem__": f"partial: on a view that requires grad it is refused {CONTRACT}",
    "Tensor.cuda": "refused, as PyTorch without CUDA does",
    "Tensor.data": f"partial: a stale value written through it raises {CONTRACT}",
    "Tensor.uniform_": "`from` is a keyword in Python: by its place, or as `low`",
    "amax": BESIDE_NAN,
    "amin": BESIDE_NAN,
    "clamp_max": "partial: bounds of truth values are taken",
    "clamp_min": "partial: bounds of truth values are taken",
    "floor_divide": f"not differentiable, as in PyTorch {CONTRACT}",
    "grad_fn.name": f"partial: what is made of other ops here has their names {CONTRACT}",
    "grad_fn.next_functions": f"partial: ends in leaves, not in AccumulateGrad nodes {CONTRACT}",
    "masked_fill": "takes a value of any shape",
    "median": ANY_ORDER,
    "nn.BCELoss": REDUCTION,
    "nn.BCEWithLogitsLoss": REDUCTION,
    "nn.CrossEntropyLoss": f"{REDUCTION}; {LABELS}",
    "nn.L1Loss": REDUCTION,
    "nn.MSELoss": REDUCTION,
    "nn.Module.cuda": "refused, as PyTorch without CUDA does",
    "nn.NLLLoss": f"{REDUCTION}; {LABELS}",
    "nn.SmoothL1Loss": REDUCTION,
    "nn.functional.cross_entropy": LABELS,
    "nn.functional.nll_loss": LABELS,
    "pow": "partial: of two truth values every form is taken",
    "prod": BESIDE_NAN,
    "randn": f"partial: float32 without AVX2: 1 in 70 is off by at most 2.4e-7 {CONTRACT}",
    "remainder": f"partial: where a / b overflows, Python's % and not nan {CONTRACT}",
    "sort": "always stable",
    "topk": ANY_ORDER,
    "where": "takes numbers and tensors of any shape",
}
"""What a row says beside its proof, by path."""

ABSENT: dict[str, str] = {
    "assign": "a load copies into the tensors that are there: optimizers keep them",
    "backend": "there is one: the recorded step as NumPy calls",
    "destination": "deprecated by PyTorch",
    "disable": "leave `compile` out",
    "dynamic": "a plan is for one shape; others are recorded beside it",
    "dtype": "convert the tensor first, with `.to(dtype)`; `F.softmax` and `F.log_softmax` take it",
    "fullgraph": "always: what can't be recorded is refused with its line",
    "from": "a keyword in Python; the first argument, here called `low`",
    "grad_variables": "deprecated by PyTorch",
    "implicit": "PyTorch's own use",
    "is_grads_batched": "for vmap, which is not here",
    "isolate_recompiles": "plans are kept by function as it is",
    "layout": "all tensors are dense",
    "memory_format": "the order in memory is the engine's own affair",
    "name": "a function has one",
    "mode": "there is one; `passes` chooses the rewritings",
    "mmap": "a file is read and checked as a whole",
    "only_inputs": "deprecated by PyTorch",
    "options": "see `mode`",
    "orig_func": "PyTorch's own name for the function that is decorated; here it is `function`",
    "out": "a function made of several ops gives a new tensor; `copy_` writes it elsewhere",
    "p": "undocumented: `bernoulli(torch.full(size, p))`",
    "pickle_module": "only tensors and containers are written and read, by this engine's own code",
    "pickle_protocol": "2, which is what PyTorch writes",
    "pin_memory": "there is no GPU to copy to",
    "recompile_limit": "16 plans are kept; a warning says when none is replayed",
    "reduce": "deprecated by PyTorch, refused here: use `reduction`",
    "rounding_mode": '`floor_divide` is "floor"; "trunc" is not here',
    "shapes_spec": "see `dynamic`",
    "size_average": "deprecated by PyTorch, refused here: use `reduction`",
    "sparse_grad": "all gradients are dense",
    "stable": "`argsort` is always stable",
}
"""Options that torch has and this engine hasn't, and why."""

LESS: dict[str, str] = {
    "capturable": "needs a GPU: `step` refuses it, as PyTorch's does on a CPU",
    "device": "the CPU: all others are refused, as by PyTorch built without CUDA",
    "differentiable": "True is refused: the optimizers write in place",
    "foreach": "changes no number: there is one way to compute",
    "fused": "changes no number: there is one way to compute",
    "in_order": "batches always come in order",
    "map_location": '"cpu", for files written on a GPU; other devices and functions are refused',
    "multiprocessing_context": "changes nothing: see `num_workers`",
    "non_blocking": "changes nothing: a copy on a CPU always blocks",
    "num_workers": "samples are loaded in the process that asks; the batches are those of workers",
    "outer_jacobian_strategy": '"forward-mode" is refused: the engine differentiates backward only',
    "persistent_workers": "changes nothing: see `num_workers`",
    "pin_memory": "changes nothing: there is no GPU to copy to",
    "pin_memory_device": "changes nothing: there is no GPU to copy to",
    "prefetch_factor": "changes nothing: see `num_workers`",
    "strategy": '"forward-mode" is refused: the engine differentiates backward only',
    "timeout": "changes nothing: see `num_workers`",
    "vectorize": "changes no number: one backward pass for each element of the output",
    "weights_only": "False is refused: a file is never a program here",
    "worker_init_fn": "refused with workers: see `num_workers`",
}
"""Options that are taken but mean less than torch's, and why."""

ONLY_HERE: dict[str, str] = {
    "from_torch to_torch": "modules and tensors to and from PyTorch",
    "op": "an op of your own: kernel, shape law and derivatives in one place",
    "recording": "the tape of what is computed",
    "expand leaky_relu linear logsigmoid one_hot repeat softplus view": (
        "ops that PyTorch has as methods or in nn.functional; here as functions of the package too"
    ),
    "ops": "the table of ops, its functions on NumPy arrays, and those that only formulas use",
}
"""Public names that torch hasn't, and what they are for."""
