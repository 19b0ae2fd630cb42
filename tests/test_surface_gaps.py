"""What no other test compares with PyTorch: options, attributes and methods of `docs/surface.md`
that are easily forgotten.
"""

import pytest
from parity import check, snippets

import tinygrad_cls as tg


@snippets("""
torch.empty(2, device="cpu", requires_grad=True).requires_grad
torch.empty_like(torch.ones(2), dtype=torch.int32, device="cpu").dtype
torch.empty_like(torch.ones(2), requires_grad=True).requires_grad
torch.eye(2, device="cpu", requires_grad=True)
torch.full_like(torch.ones(2), 3, device="cpu", requires_grad=True)
torch.linspace(0, 1, 3, device="cpu")
torch.ones(2, device="cpu"), torch.ones_like(torch.zeros(2), device="cpu")
torch.zeros_like(torch.ones(2), device="cpu")
torch.rand_like(torch.ones(2), dtype=torch.float64, device="cpu", requires_grad=True)
torch.randn_like(torch.ones(2), dtype=torch.float64, device="cpu", requires_grad=True)
g = torch.Generator().manual_seed(3); torch.rand_like(torch.ones(3), generator=g)
g = torch.Generator().manual_seed(3); torch.randn_like(torch.ones(3), generator=g)
torch.randint(5, (3,), device="cpu"), torch.randn(3, device="cpu")
torch.arange(3, device="cpu"), torch.full((2,), 3, device="cpu"), torch.Tensor([1], device="cpu")
torch.empty(size=(2, 3)).shape, torch.randn(size=(2,), dtype=torch.float64), torch.Size((2, 3))
torch.randint(5, (3,), generator=torch.Generator().manual_seed(3))
torch.bernoulli(torch.full((5,), 0.5), generator=torch.Generator().manual_seed(3))
torch.randperm(3, dtype=torch.float64, requires_grad=True)
torch.randperm(3, requires_grad=True)
torch.zeros_like(torch.ones(2).long(), dtype=torch.float64, requires_grad=True)
torch.pi, torch.e, torch.inf, -torch.inf, torch.nan
torch.finfo(torch.float32).smallest_normal, torch.finfo(torch.float16).smallest_normal
""")
def test_creation(code: str) -> None:
    check(f"torch.manual_seed(0)\n{code}")


@snippets("""
torch.no_grad(lambda: x * 2)().requires_grad, (x * 2).requires_grad
torch.no_grad()(lambda: x * 2)().requires_grad
with torch.no_grad(): y = torch.enable_grad(lambda: x * 2)()
|y.requires_grad
""")
def test_modes_around_a_function(code: str) -> None:
    check(f"x = torch.ones(2, requires_grad=True)\n{code}")


NUMBERS = "a = torch.tensor([[1.0, 4.0, 2.0], [3.0, 0.5, 5.0]], dtype=torch.float64)\n"


@snippets("""
torch.add(a, a, alpha=2), a.add(1, alpha=-0.5), a.add_(a, alpha=3)
torch.sub(a, a, alpha=2), a.sub(1, alpha=-0.5), a.sub_(1, alpha=3), torch.subtract(a, 1, alpha=2)
torch.add(a.long(), 1, alpha=2), torch.sub(a.long(), a, alpha=2), torch.add(a > 2, True, alpha=2)
torch.add(a.long(), 1, alpha=0.5)
torch.sub(a.long(), a.long(), alpha=0.5)
torch.allclose(a, a + 0.01), torch.allclose(a, a + 0.01, rtol=0.1)
torch.allclose(a, a + 0.01, atol=0.1), torch.allclose(a, a + 0.01, 0.0, 0.1)
torch.allclose(a, a * math.nan), torch.allclose(a * math.nan, a * math.nan, equal_nan=True)
torch.isclose(a, a + 0.01), torch.isclose(a, a * 1.01, rtol=0.02, atol=0.0)
a.isclose(a + 0.01, 0.0, 0.02), a.isclose(a + 0.01, atol=0.005, rtol=0)
torch.isclose(a * math.nan, a * math.nan)
torch.isclose(a * math.nan, a * math.nan, equal_nan=True)
torch.isclose(a * math.inf, -a * math.inf, equal_nan=True)
torch.isclose(a, a, rtol=-1.0)
torch.isclose(a, a, atol=-0.5)
torch.allclose(a, a, rtol=-1.0)
torch.isclose(a, a.float())
torch.allclose(a.long(), a)
torch.isclose(a, 1.0)
torch.chunk(a, 2, dim=1), a.chunk(3, 1), a.chunk(2, dim=-1)
torch.flatten(a[None], 0, 1), torch.flatten(a[None], start_dim=0, end_dim=1)
a[None].flatten(end_dim=-2)
torch.median(a, 1, True), torch.median(a, dim=0, keepdim=True), a.median(-1, keepdim=True)
torch.min(a, 1, True), torch.min(a, dim=0, keepdim=True), a.min(-1, keepdim=True)
torch.max(a, 1, True), torch.max(a, dim=0, keepdim=True), a.max(-1, keepdim=True)
torch.norm(a, 2, 1, True), torch.norm(a, p=1, dim=0, keepdim=True), a.norm(dim=1, keepdim=True)
torch.norm(a, math.inf, 1, True), torch.norm(a, 0, 1, True)
torch.norm(a, p="fro", dim=(0, 1), keepdim=True)
torch.prod(a, 1, True), torch.prod(a, dim=0, keepdim=True), a.prod(-1, keepdim=True)
torch.sort(a, stable=True), torch.sort(a, dim=0, descending=True, stable=True), a.sort(stable=False)
torch.std(a, 1, True), torch.std(a, 1, False), torch.std(a, False), torch.std(a, unbiased=False)
torch.std(a, 1, unbiased=False), torch.std(a, 1, False, True), torch.std(a, dim=1, keepdim=True)
torch.std(a, dim=1, correction=2, keepdim=True), a.std(1, correction=0), a.std(dim=1, unbiased=True)
torch.var(a, 1, True), torch.var(a, 1, False), torch.var(a, False), torch.var(a, unbiased=False)
torch.var(a, 1, unbiased=False), torch.var(a, 1, False, True), torch.var(a, dim=1, keepdim=True)
torch.var(a, dim=1, correction=2, keepdim=True), a.var(1, correction=0), a.var(dim=1, unbiased=True)
# no degrees of freedom: nan or inf, and a warning
torch.tensor([1.0]).var(), torch.tensor([1.0]).std(), a.var(0, correction=2), a[:1].std(0)
a.std(0, correction=3), torch.ones(2, 0).var(1), torch.tensor(1.0).var(), torch.ones(0).std()
torch.topk(a, 2, sorted=True), torch.topk(a, 2, 1, True, True)
a.topk(1, dim=0, largest=False, sorted=True), torch.topk(a, 2, sorted=False).values.sort().values
torch.absolute(-a), (-a).absolute(), torch.clip(a, 1, 2), a.clip(min=1.0, max=2.0)
torch.divide(a, 2), a.divide(a), torch.multiply(a, 2), a.multiply(a), a.subtract(a)
a.sum(axis=1, keepdims=True), a.mean(axis=0), a.argmax(axis=1), torch.max(a, axis=1)
""")
def test_options_of_ops(code: str) -> None:
    """Those that no example of the table uses."""
    check(NUMBERS + code)


@snippets("""
torch.reshape(input=a, shape=(3, 2)), a.reshape(shape=(6,)), a.view(size=(3, 2))
torch.permute(input=a, dims=(1, 0)), a.permute(dims=(1, 0))
a[:1].expand(size=(4, 3)), a.repeat(repeats=(1, 2)), a.split(split_size=1), a.copy_(other=a + 1)
torch.where(condition=a > 2, input=a, other=-a), a.where(condition=a > 2, other=-a)
torch.get_rng_state().equal(torch.set_rng_state(new_state=torch.get_rng_state()) or a)
a.reshape()
a.expand()
a.repeat()
a.permute()
a.view()  # type
a.reshape(3, shape=(3, 2))  # type
a.reshape(size=(3, 2))  # type
torch.mv(a)
torch.dot(a[0])
torch.mm(a)  # type
torch.pow(a)  # type
torch.clamp_min(a)  # type
""")
def test_arguments_by_name(code: str) -> None:
    check(NUMBERS + code)


@snippets("""
torch.tensor([200.7, -1.2]).char(), torch.tensor([3.7]).byte(), torch.tensor([3]).byte()
x = torch.zeros(2); y = x.copy_(torch.ones(2), non_blocking=True); [x, y is x]
x = torch.ones(2); [x.type(torch.int32, non_blocking=True), x.type(dtype=torch.float64)]
torch.ones(2, 1).expand_as(torch.ones(2, 3)), torch.ones(6).view_as(torch.ones(2, 3))
torch.ones(6).reshape_as(other=torch.ones(3, 2)), torch.ones(6).view_as(other=torch.ones(6, 1))
x = torch.ones(2, 1, requires_grad=True); x.expand_as(torch.ones(2, 3)).sum().backward(); x.grad
x = torch.arange(6.0).requires_grad_(); (x.view_as(torch.ones(2, 3)) ** 2).sum().backward(); x.grad
x = torch.arange(6.0).requires_grad_(); x.reshape_as(torch.ones(2, 3))[0].sum().backward(); x.grad
torch.ones(2).expand_as(torch.ones(3))
torch.ones(2).view_as(torch.ones(3))
torch.ones(2).reshape_as(torch.ones(3))
torch.ones(2, 3).size(dim=1), torch.ones(2, 3).stride(dim=0)
torch.ones(2, 3).unbind(dim=1), torch.ones(2, 3).unbind(1)
x = torch.tensor([1.0, -2.0], requires_grad=True); x.where(x > 0, -x).sum().backward(); x.grad
torch.tensor([1.0, -2.0]).where(torch.tensor([True, False]), 0)
g = torch.Generator().manual_seed(3); torch.zeros(3).uniform_(generator=g)
g = torch.Generator().manual_seed(3); torch.zeros(3).normal_(generator=g)
""")
def test_methods(code: str) -> None:
    check(code)


@snippets("""
nn.BatchNorm1d(3).num_features, nn.Linear(3, 2).in_features, nn.Linear(3, 2).out_features
nn.Linear(3, 2, bias=False).bias, nn.Linear(3, 2).weight.shape, nn.Linear(3, 2).bias.shape
l = nn.BCELoss(torch.ones(2), reduction="sum"); l.reduction, l.weight
l = nn.BCEWithLogitsLoss(pos_weight=torch.ones(2)); l.reduction, l.weight, l.pos_weight
l = nn.CrossEntropyLoss(torch.ones(2)); l.reduction, l.weight, l.ignore_index, l.label_smoothing
l = nn.NLLLoss(ignore_index=3); l.reduction, l.weight, l.ignore_index
m = nn.Sequential(nn.BatchNorm1d(2)); list(m.buffers(recurse=False)), len(list(m.buffers()))
m = nn.Sequential(nn.Linear(2, 1)); list(m.parameters(recurse=False)), len(list(m.parameters(True)))
b = nn.BatchNorm1d(2); m = nn.Sequential(b, b)
|[n for n, _ in m.named_buffers(remove_duplicate=False)], list(m.named_buffers(recurse=False))
a = nn.ReLU(); m = nn.Sequential(a, nn.Tanh()); [n for n, _ in m.named_modules(memo={a})]
nn.Linear(2, 3, bias=False).extra_repr(), nn.Dropout(0.3).extra_repr(), nn.Module().extra_repr()
m = nn.Linear(2, 1); [m.cpu() is m, m.to("cpu", non_blocking=True) is m, m.weight.device]
m = nn.ReLU(); m.train(False).training, m.train(mode=True).training, m.train().training
seen = []; m = nn.Sequential(nn.ReLU())
|m.apply(lambda child: seen.append(type(child).__name__)) is m, seen
""")
def test_modules(code: str) -> None:
    check(code)


@snippets("""
F.batch_norm(torch.arange(6.0).reshape(2, 3), torch.ones(3), torch.ones(3), eps=0.5)
F.sigmoid(a), F.tanh(a), F.logsigmoid(a), F.linear(a, a), F.linear(a, a, bias=a[:, 0])
F.linear(input=a, weight=a), F.sigmoid(input=a), F.tanh(input=a), F.softplus(input=a)
F.one_hot(a.long()), F.one_hot(torch.tensor([0, 2]), num_classes=4), F.one_hot(torch.tensor(1), 4)
F.softplus(a, beta=2, threshold=3), F.softplus(a, 0.5, 1.0)
""")
def test_functions(code: str) -> None:
    check(NUMBERS + code)


@snippets("""
u.clip_grads_with_norm_([p], 0.1, torch.tensor(2.0), foreach=False), p.grad
u.clip_grads_with_norm_(p, max_norm=0.1, total_norm=torch.tensor(2.0), foreach=True), p.grad
u.get_total_norm([p.grad * math.inf], error_if_nonfinite=True)
u.get_total_norm([p.grad], foreach=False), u.get_total_norm([p.grad], 3.0, False, True)
""")
def test_utilities(code: str) -> None:
    setup = "u = nn.utils; p = torch.ones(2, requires_grad=True); p.grad = torch.tensor([3.0, 4.0])"
    check(f"{setup}\n{code}")


@snippets("""
optim.Adam([p], differentiable=False).defaults["differentiable"]
optim.SGD([p], differentiable=False).defaults["differentiable"]
optim.SGD([p]).step(closure=lambda: torch.tensor(3.0)), optim.Adam([p]).step(lambda: 2)
s = at.LambdaLR(o, [float, float]); s.lr_lambdas
s = at.StepLR(o, 2, gamma=0.5, last_epoch=3); s.step_size, s.gamma, s.last_epoch, s.base_lrs
s = at.StepLR(o, 2, 0.5); s.optimizer is o, s.get_last_lr()
s = at.CosineAnnealingLR(o, 9, eta_min=0.1); s.T_max, s.eta_min, s.base_lrs, s.last_epoch
at.LRScheduler(o, last_epoch=3)  # type
at.ExponentialLR(optim.SGD([p]), 0.5, last_epoch=3)
""")
def test_optimizers(code: str) -> None:
    setup = """
at = optim.lr_scheduler
p, q = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
o = optim.SGD([{"params": p, "initial_lr": 1.0}, {"params": q, "initial_lr": 0.5}])
"""
    check(setup + code)


@snippets("""
d.in_order, d.multiprocessing_context, d.persistent_workers, d.pin_memory_device
d.prefetch_factor, d.worker_init_fn
""")
def test_data(code: str) -> None:
    check(f"d = torch.utils.data.DataLoader([1])\n{code}")


@snippets("""
torch.save(x, f), f.seek(0), torch.load(f, map_location="cpu", weights_only=True)
torch.save(x, f=f), f.seek(0), torch.load(f, "cpu"), torch.save(obj=x, f=f)
""")
def test_files(code: str) -> None:
    check(f"import io; f = io.BytesIO(); x = {{'w': torch.ones(2, 3)}}\n{code}")


@snippets("torch.cuda.empty_cache()")
def test_without_a_gpu(code: str) -> None:
    check(code)
    with pytest.raises(AssertionError, match=r"^Torch not compiled with CUDA enabled"):
        tg.cuda.synchronize(device=None)
    for x in (tg.ones(1), tg.nn.Linear(1, 1)):
        with pytest.raises(AssertionError, match=r"^Torch not compiled with CUDA enabled"):
            x.cuda(device=0)
