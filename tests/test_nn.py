"""Modules, layers and initial values are PyTorch's: the same snippet does the same on both engines.

What the engine knowingly does otherwise is tested on it alone, further down.
"""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from parity import check, snippets

import tinygrad_cls as tg
from tinygrad_cls import nn

DTYPES = ("float32", "float64")

MODEL = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.rest = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1)))
        self.register_buffer("scale", torch.ones(2))

    def forward(self, x):
        return self.rest(self.first(x * self.scale))

torch.manual_seed(0)
m = Model()
"""
TRAINED = MODEL + "m(torch.ones(4, 2)).sum().backward()\n"


def table(**snippets: str) -> Any:
    """The mark that runs a test on each snippet by its name."""
    return pytest.mark.parametrize("code", snippets.values(), ids=snippets)


# --- Module: what is registered, and how ----------------------------------------------------------


@pytest.mark.needs_torch
@table(
    registration="list(m.named_parameters())",
    a_plain_list_is_not_registered="m.others = [nn.Linear(1, 1)]; list(m.state_dict())",
    a_plain_tensor_is_not_registered="m.t = torch.ones(2); m.t, list(m.state_dict())",
    not_recursive="m.w = m.first.bias; [n for n, _ in m.named_parameters(recurse=False)]",
    prefix="[n for n, _ in m.named_parameters(prefix='p')], [n for n, _ in m.named_buffers('p')]",
    named_modules="[n for n, _ in m.named_modules()]",
    named_modules_prefix="[n for n, _ in m.named_modules(prefix='p')]",
    named_children="[n for n, _ in m.named_children()]",
    modules="list(m.modules())",
    children="list(m.children())",
    buffers="list(m.buffers()), [n for n, _ in m.named_buffers()]",
    replaced_in_its_place="m.first = nn.ReLU(); m",
    parameter_replaced_in_place="m.first.weight = nn.Parameter(torch.ones(3, 2)); m.state_dict()",
    module_by_none="m.first = None; m, list(m.state_dict())",
    parameter_by_none="m.first.bias = None; m.first(torch.ones(2)).shape, list(m.state_dict())",
    buffer_by_none="m.scale = None; list(m.state_dict())",
    buffer_by_another="m.scale = torch.zeros(3); m.state_dict()['scale']",
    parameter_over_module="m.first = nn.Parameter(torch.ones(1)); m, list(m.state_dict())",
    parameter_over_buffer="m.scale = nn.Parameter(torch.ones(1)); list(m.buffers()), m.scale",
    module_over_buffer="m.scale = nn.ReLU(); list(m.buffers()), m",
    parameter_over_plain="m.x = 3; m.x = nn.Parameter(torch.ones(1)); m.x, 'x' in m.__dict__",
    delete_parameter="del m.first.bias; list(m.state_dict())",
    delete_module="del m.first; m",
    delete_buffer="del m.scale; list(m.state_dict())",
    delete_plain="m.x = 3; del m.x; hasattr(m, 'x')",
    place_for_a_parameter="m.register_parameter('w', None); m.w, list(m.state_dict())",
    place_for_a_buffer="m.register_buffer('b', None); m.b, list(m.state_dict())",
    place_for_a_module="m.add_module('x', None); m, [n for n, _ in m.named_children()]",
    add_module="m.add_module('first', nn.ReLU()); m.register_module('x', nn.Tanh()); m",
    hidden_buffer="m.register_buffer('b', torch.ones(1), False); m.b, list(m.state_dict())",
    hidden_stays_hidden="""
m.register_buffer('b', torch.ones(1), persistent=False)
m.b = torch.zeros(1)
list(m.state_dict()), [n for n, _ in m.named_buffers()]""",
    hidden_no_more="""
m.register_buffer('b', torch.ones(1), persistent=False)
m.register_buffer('b', torch.zeros(1))
list(m.state_dict())""",
    hidden_deleted="""
m.register_buffer('b', torch.ones(1), persistent=False)
del m.b
m.register_buffer('b', torch.ones(1))
list(m.state_dict())""",
    get_submodule="m.get_submodule('rest.2.0'), m.get_submodule('')",
    apply="seen = []; m.apply(lambda x: seen.append(type(x).__name__)) is m, seen",
    attribute_names="[name in dir(m) for name in ('first', 'scale', 'rest', 'forward')]",
    no_digits_in_dir="'0' in dir(m.rest)",
)
def test_registration(code: str) -> None:
    check(MODEL + code)


@pytest.mark.needs_torch
@table(
    parameters_once="len(list(m.parameters())), [n for n, _ in m.named_parameters()]",
    twice_if_asked="[n for n, _ in m.named_parameters(remove_duplicate=False)]",
    modules_twice_if_asked="[n for n, _ in m.named_modules(remove_duplicate=False)]",
    twice_in_the_state="list(m.state_dict()), dict(m.named_modules()).keys(), list(m.children())",
    gradients_add_up="m(torch.ones(1, 2)).sum().backward(); m[0].weight.grad, m[0].bias.grad",
    still_shared_when_copied="c = copy.deepcopy(m); c[0] is c[2], c[0].weight is c[2].weight",
    still_shared_when_pickled="c = pickle.loads(pickle.dumps(m)); c[0] is c[2]",
    converted_once="m.double(); m[0].weight is m[2].weight, m[0].weight.dtype",
    weights_tied="""
m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
m[1].weight = m[0].weight
list(m.state_dict()), [n for n, _ in m.named_parameters()]""",
    weights_tied_when_copied="""
m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
m[1].weight = m[0].weight
c = copy.deepcopy(m)
c[0].weight is c[1].weight, c[0].weight is m[0].weight""",
)
def test_shared_modules(code: str) -> None:
    check("torch.manual_seed(0); a = nn.Linear(2, 2); m = nn.Sequential(a, nn.ReLU(), a)\n" + code)


BEFORE = "class Model(nn.Module):\n    def __init__(self):\n        {}\nm = Model()\n"


@pytest.mark.needs_torch
@table(
    module=BEFORE.format("self.a = nn.Linear(1, 1)"),
    parameter=BEFORE.format("self.a = nn.Parameter(torch.ones(1))"),
    register_parameter=BEFORE.format("self.register_parameter('a', None)"),
    register_buffer=BEFORE.format("self.register_buffer('a', None)"),
    tensor_is_plain=BEFORE.format("self.a = torch.ones(1)") + "m.a",
    parameters=BEFORE.format("pass") + "list(m.parameters())",
    attribute=BEFORE.format("pass") + "m.a",
)
def test_before_init(code: str) -> None:
    check(code)


@pytest.mark.needs_torch
@table(
    tensor_over_parameter="m.first.weight = torch.zeros(3, 2)",
    number_over_parameter="m.first.weight = 3",
    number_over_module="m.first = 3",
    number_over_buffer="m.scale = 3",
    no_attribute="m.missing",
    delete_nothing="del m.missing",
    parameter_named_as_an_attribute="m.register_parameter('forward', None)",
    parameter_named_as_a_module="m.register_parameter('first', None)",
    parameter_name_with_a_dot="m.register_parameter('a.b', None)",
    parameter_name_empty="m.register_parameter('', None)",
    parameter_name_no_text="m.register_parameter(3, None)",
    parameter_no_parameter="m.register_parameter('w', torch.ones(1))",
    parameter_a_number="m.register_parameter('w', 3)",
    buffer_named_as_a_module="m.register_buffer('first', None)",
    buffer_name_with_a_dot="m.register_buffer('a.b', None)",
    buffer_name_empty="m.register_buffer('', None)",
    buffer_name_no_text="m.register_buffer(3, None)",
    buffer_a_number="m.register_buffer('b', 3)",
    module_named_as_an_attribute="m.add_module('forward', nn.ReLU())",
    module_name_with_a_dot="m.add_module('a.b', nn.ReLU())",
    module_name_empty="m.add_module('', nn.ReLU())",
    module_name_no_text="m.add_module(3, nn.ReLU())",
    module_a_number="m.add_module('x', 3)",
    no_submodule="m.get_submodule('rest.7')",
    buffer_is_no_submodule="m.get_submodule('scale')",
    train_a_number="m.train(1)",
    forward_is_missing="nn.Module()(3)",
    forward_is_missing_in_a_list="nn.ModuleList()(3)",
    unexpected_argument="class M(nn.Module): pass\nM(3)",
    unexpected_keyword="class M(nn.Module): pass\nM(a=3)",
    too_few_arguments_to_forward="m()",
)
def test_registration_errors(code: str) -> None:
    # KeyError shows its text in quotes, so what this engine adds to it comes after a quote there
    run = f"{code.splitlines()[0]}\n" if "\n" in code else ""
    last = code.splitlines()[-1]
    unquoted = "except KeyError as error:\n    raise ValueError(*error.args)"
    check(f"{MODEL}{run}try:\n    {last}\n{unquoted}")


# --- Module: modes, conversion, state -------------------------------------------------------------


@pytest.mark.needs_torch
@table(
    eval="m.eval() is m, [x.training for x in m.modules()]",
    eval_and_train="m.eval(); m.rest.train(); [x.training for x in m.modules()]",
    by_hand="m.training = False; [x.training for x in m.modules()]",
    eval_changes_no_number="a = m(torch.ones(1, 2)); m.eval(); torch.equal(a, m(torch.ones(1, 2)))",
    requires_grad="m.requires_grad_(False) is m, list(m.parameters()), m(torch.ones(2))",
    frozen="m.first.requires_grad_(False); m(torch.ones(2)).sum().backward(); m.first.bias.grad",
    zero_grad="m.zero_grad(); m.first.weight.grad",
    zero_grad_to_zero="m.zero_grad(set_to_none=False); m.first.weight.grad",
    zero_grad_keeps_it="g = m.first.bias.grad; m.zero_grad(False); g is m.first.bias.grad, g",
)
def test_modes(code: str) -> None:
    check(TRAINED + code)


@pytest.mark.needs_torch
@table(
    double="m.double() is m, m.state_dict()",
    float="m.double().float().state_dict()",
    half="m.half().state_dict()",
    to_dtype="m.to(torch.float64) is m, m.first.weight",
    to_device="m.to('cpu') is m, m.cpu() is m, m.first.weight",
    to_both="m.to('cpu', torch.float64).first.weight",
    to_keywords="m.to(device='cpu', dtype=torch.float64).first.weight",
    to_tensor="m.to(torch.ones(1, dtype=torch.float64)).first.weight",
    the_same_parameter="p = m.first.weight; m.double(); p is m.first.weight, p",
    the_gradient_too="m.double(); m.first.weight.grad",
    integers_stay="m.register_buffer('n', torch.arange(2)); m.double(); m.n, m.scale",
    integers_refused="m.to(torch.int64)",
    cuda="m.cuda()",
    to_cuda="m.to('cuda')",
    nowhere="m.to('nowhere'[:0] + 'cuda')",
    optimizer_follows="""
o = optim.SGD(m.parameters(), lr=0.5)
m.double()
o.step()
m.first.weight""",
)
def test_conversion(code: str) -> None:
    check(TRAINED + code)


OTHER = TRAINED + "state = {n: t * 2 for n, t in m.state_dict().items()}\n"


@pytest.mark.needs_torch
@table(
    state_dict="type(m.state_dict()).__name__, m.state_dict()",
    prefix="list(m.state_dict(prefix='a.'))",
    keep_vars="m.state_dict(keep_vars=True)['first.weight'] is m.first.weight",
    aliases="m.state_dict()['first.weight'].zero_(); m.first.weight",
    aliases_the_other_way="d = m.state_dict(); m.first.weight.data.zero_(); d['first.weight']",
    optimizer_shows="d = m.state_dict(); optim.SGD(m.parameters(), 1).step(); d['first.weight']",
    load="repr(m.load_state_dict(state)), m.state_dict()",
    load_own="m.load_state_dict(m.state_dict()); m.state_dict()",
    load_keeps_identity="p = m.first.bias; m.load_state_dict(state); p is m.first.bias, p, p.grad",
    load_copies="m.load_state_dict(state); state['first.weight'].zero_(); m.first.weight",
    load_casts="m.load_state_dict({n: t.double() for n, t in state.items()}); m.state_dict()",
    load_into_double="m.double(); m.load_state_dict(state); m.state_dict()",
    load_what_requires_grad="""
m.load_state_dict({n: t.requires_grad_() for n, t in state.items()})
m.first.weight""",
    load_bumps_the_version="""
v = m.first.weight._version
m.load_state_dict(state)
m.first.weight._version - v""",
    load_makes_the_graph_stale="""
y = m(torch.ones(1, 2, requires_grad=True))
m.load_state_dict(state)
try: y.sum().backward()
except RuntimeError as error: print(str(error)[:60]) or str(error)[:60]
""",
    not_strict="""
del state['first.bias']
state['more'] = torch.ones(1)
r = m.load_state_dict(state, strict=False)
repr(r), r.missing_keys, r.unexpected_keys, m.first.weight, m.first.bias""",
    missing="del state['first.bias'], state['rest.0.bias']; m.load_state_dict(state)",
    unexpected="state['more'] = torch.ones(1); m.load_state_dict(state)",
    other_shape="state['first.bias'] = torch.ones(4); m.load_state_dict(state)",
    other_shape_not_strict="state['scale'] = torch.ones(4); m.load_state_dict(state, False)",
    a_number="state['scale'] = 3.0; m.load_state_dict(state)",
    an_array="state['scale'] = np.ones(2); m.load_state_dict(state)",
    none="state['scale'] = None; m.load_state_dict(state)",
    not_a_dict="m.load_state_dict([1])",
)
def test_state(code: str) -> None:
    check(OTHER + code)


@pytest.mark.needs_torch
def test_state_errors_in_full() -> None:
    code = OTHER + (
        "del state['first.bias']; state['more'] = torch.ones(1); state['scale'] = torch.ones(4)\n"
        "state['first.weight'] = 3.0; state['rest.0.bias'] = torch.ones(1)\n"
        "try: m.load_state_dict(state)\n"
        "except RuntimeError as error: text = sorted(str(error).splitlines())\n"
        "text"
    )
    check(code)


@pytest.mark.needs_torch
@table(
    deepcopy="c = copy.deepcopy(m); c, c.state_dict(), c.first.weight is m.first.weight",
    deepcopy_is_apart="c = copy.deepcopy(m); c.first.bias.data.zero_(); m.first.bias, c.first.bias",
    deepcopy_drops_gradients="copy.deepcopy(m).first.weight.grad",
    deepcopy_keeps_the_mode="m.eval(); copy.deepcopy(m).training",
    deepcopy_keeps_frozen="m.requires_grad_(False); copy.deepcopy(m).first.weight",
    deepcopy_learns="""
c = copy.deepcopy(m)
o = optim.SGD(c.parameters(), lr=0.1)
c(torch.ones(1, 2)).sum().backward()
o.step()
c.state_dict(), m.state_dict()""",
    shallow_copy="c = copy.copy(m); c.new = 3; hasattr(m, 'new'), c.first.weight is m.first.weight",
    pickle="c = pickle.loads(pickle.dumps(m.rest)); c, c.state_dict(), c[0].weight.grad",
    pickle_keeps_the_mode="pickle.loads(pickle.dumps(m.rest.eval())).training",
    pickle_keeps_buffers="""
m.rest.register_buffer('b', torch.ones(1)); m.rest.register_buffer('h', torch.ones(1), False)
c = pickle.loads(pickle.dumps(m.rest))
c.state_dict(), c.h""",
    parameter="c = copy.deepcopy(m.first.weight); c, c.grad, type(c).__name__",
    parameter_pickled="c = pickle.loads(pickle.dumps(m.first.weight)); c, c.grad",
    state_pickled="pickle.loads(pickle.dumps(m.state_dict()))",
)
def test_copies(code: str) -> None:
    check(TRAINED + code)


class Net(nn.Module):
    """A reader's module, at the top of a file, as pickle needs it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.register_buffer("hidden", tg.ones(1), persistent=False)
        self.note = "kept"

    def forward(self, x: Any) -> Any:
        return self.layer(x) * self.hidden


def test_a_readers_module_survives_copying() -> None:
    m = Net().eval()
    x = tg.ones(3, 2)
    for twin in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert tg.equal(twin(x), m(x))
        assert (twin.note, twin.training, list(twin.state_dict())) == (
            "kept",
            False,
            ["layer.weight", "layer.bias"],
        )
        twin.layer.weight.data.zero_()
        assert not tg.equal(twin(x), m(x))


def test_a_failed_load_changes_nothing() -> None:
    """torch has by then copied what fits."""
    m = Net()
    before, version = m.layer.weight.clone(), m.layer.weight._version
    with pytest.raises(RuntimeError, match=r"size mismatch for layer\.bias"):
        m.load_state_dict({"layer.weight": tg.zeros(1, 2), "layer.bias": tg.zeros(5)})
    assert tg.equal(m.layer.weight, before)
    assert m.layer.weight._version == version


def test_a_model_without_torch() -> None:
    """What PyTorch 2.13 says of this model, written down."""
    tg.manual_seed(42)
    m = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.ModuleList([nn.Tanh()] * 2))
    assert repr(m) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=2, bias=True)\n  (1): ReLU()\n"
        "  (2): ModuleList(\n    (0-1): 2 x Tanh()\n  )\n)"
    )
    layer = m[0]
    assert repr(list(m.state_dict().items())) == (
        "[('0.weight', tensor([[ 0.5406,  0.5869],\n        [-0.1657,  0.6496]])), "
        "('0.bias', tensor([-0.1549,  0.1427]))]"
    )
    y = layer(tg.tensor([[1.0, -1.0]]))
    assert repr(y) == "tensor([[-0.2012, -0.6725]], grad_fn=<AddmmBackward0>)"
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[1, -1], [1, -1]]
    assert layer.bias.grad.tolist() == [1, 1]
    m.zero_grad()
    assert layer.bias.grad is None
    assert [n for n, _ in m.named_parameters()] == ["0.weight", "0.bias"]
    assert repr(m.load_state_dict(m.state_dict())) == "<All keys matched successfully>"
    assert m.double()[0].weight.dtype is tg.float64


# --- Module: repr ---------------------------------------------------------------------------------


@pytest.mark.needs_torch
@table(
    model=MODEL + "m",
    empty="nn.Module(), nn.Sequential(), nn.ModuleList()",
    nested="nn.Sequential(nn.Sequential(nn.ReLU(), nn.ReLU()), nn.ModuleList([nn.Linear(1, 2)]))",
    names="""
from collections import OrderedDict
nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Linear(2, 2)))""",
    list_of_equals="nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1), nn.Tanh(), *[nn.ReLU()] * 3])",
    list_of_stacks="nn.ModuleList([nn.Sequential(nn.ReLU(), nn.Tanh()) for _ in range(2)])",
    none="m = nn.Module(); m.add_module('x', None); m",
    extra="class M(nn.Module):\n    def extra_repr(self): return 'a=1'\nM()",
    extra_lines="class M(nn.Module):\n    def extra_repr(self): return 'a\\nb'\nM()",
    extra_and_children="""
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.r = nn.Sequential(nn.ReLU())
    def extra_repr(self): return 'a=1\\nb=2'
M()""",
    own_name="class M(nn.Module):\n    def _get_name(self): return 'Other'\nM()",
    subclass="class Mine(nn.Linear): pass\nMine(1, 2)",
    layers="""[nn.Linear(2, 3), nn.Linear(2, 3, bias=False), nn.ReLU(), nn.ReLU(inplace=True),
    nn.ReLU(True), nn.Sigmoid(), nn.Tanh(), nn.Softmax(), nn.Softmax(dim=1), nn.LogSoftmax(-1),
    nn.Flatten(), nn.Flatten(0, 1), nn.Identity(), nn.Identity(3, a=4), nn.BCEWithLogitsLoss(),
    nn.CrossEntropyLoss(), nn.CrossEntropyLoss(reduction="sum", ignore_index=0)]""",
    parameter="[repr(nn.Parameter(torch.ones(2))), str(nn.Parameter(torch.ones(2, 2)))]",
    frozen="repr(nn.Parameter(torch.ones(2), requires_grad=False))",
    half="repr(nn.Parameter(torch.ones(2, dtype=torch.float16)))",
    empty_parameter="repr(nn.Parameter())",
    state="torch.manual_seed(0); repr(nn.Linear(2, 2).state_dict())",
    output="torch.manual_seed(0); repr(nn.Linear(2, 1)(torch.ones(1, 2)))",
)
def test_repr(code: str) -> None:
    check(code)


# --- Parameter ------------------------------------------------------------------------------------


@pytest.mark.needs_torch
@table(
    parameter="nn.Parameter(torch.ones(2))",
    frozen="nn.Parameter(torch.ones(2), requires_grad=False)",
    frozen_by_place="nn.Parameter(torch.ones(2), False)",
    keyword="nn.Parameter(data=torch.ones(2, dtype=torch.float64))",
    empty="nn.Parameter()",
    shares_memory="x = torch.ones(2); p = nn.Parameter(x); x[0] = 5; p",
    shares_a_view="x = torch.zeros(2, 3); p = nn.Parameter(x[1]); p.data[0] = 5; x, p",
    of_a_detached="nn.Parameter(torch.ones(2, 3).detach())",
    of_a_transposed="""
p = nn.Parameter(torch.arange(6.0).reshape(2, 3).T)
(p * p).sum().backward()
p, p.grad""",
    of_a_result="p = nn.Parameter(torch.ones(2, requires_grad=True) * 2); p, p.is_leaf",
    what_it_computes_is_a_tensor="p = nn.Parameter(torch.ones(2)); p * 2, p[0], p.data, p.detach()",
    clone="nn.Parameter(torch.ones(2)).clone()",
    is_a_tensor="isinstance(nn.Parameter(torch.ones(2)), torch.Tensor)",
    new_data="p = nn.Parameter(torch.ones(2)); p.data = torch.zeros(3); p",
    data_in_place="p = nn.Parameter(torch.ones(2)); p.data -= 0.5 * p.data; p.data[0] = 7; p",
    gradient_assigned="p = nn.Parameter(torch.ones(2)); p.grad = torch.ones(2); p.grad",
    integers="nn.Parameter(torch.arange(3))",
    integers_frozen="nn.Parameter(torch.arange(3), requires_grad=False)",
    a_number="nn.Parameter(3.0)",
    an_array="nn.Parameter(np.ones(2))",
    in_place="p = nn.Parameter(torch.ones(2)); p += 1",
    in_place_no_grad="""
p = nn.Parameter(torch.ones(2))
with torch.no_grad():
    p += 1
    p[0] = 9
p, p.is_leaf""",
    made_under_no_grad="with torch.no_grad(): m = nn.Linear(2, 2)\nm.weight.requires_grad",
    made_under_inference="""
with torch.inference_mode(): m = nn.Linear(2, 2)
m.weight.is_inference(), m.weight.requires_grad""",
    hook="""
p = nn.Parameter(torch.ones(2))
p.register_hook(lambda g: g * 2)
p.sum().backward()
p.grad""",
)
def test_parameter(code: str) -> None:
    check(code)


# --- Sequential and ModuleList --------------------------------------------------------------------

LISTED = {
    "index": "q[0], q[-1], q[torch.tensor(1)], q[True]",
    "slice": "q[1:], q[:2], q[::2], q[3:], q[1:].state_dict()",
    "slice_shares": "q[:1][0] is q[0]",
    "out_of_range": "q[3]",
    "out_of_range_below": "q[-4]",
    "by_name": "q['0']",
    "len_and_iter": "len(q), list(q), [type(x).__name__ for x in q], q[1] in q, bool(q)",
    "set": "q[0] = nn.Tanh(); q[-1] = nn.Sigmoid(); q",
    "set_out_of_range": "q[5] = nn.Tanh()",
    "set_a_number": "q[0] = 3",
    "set_a_slice": "q[0:1] = 3",
    "delete": "del q[0]; q, list(q.state_dict())",
    "delete_last": "del q[-1]; q",
    "delete_slice": "del q[0:2]; q",
    "delete_out_of_range": "del q[7]",
    "append": "q.append(nn.Tanh()) is q, q",
    "append_a_number": "q.append(3)",
    "extend": "q.extend([nn.Tanh(), nn.Sigmoid()]) is q, q",
    "extend_by_a_sequential": "q.extend(nn.Sequential(nn.Tanh())); q",
    "insert": "q.insert(1, nn.Tanh()); q, list(q.state_dict())",
    "insert_first_and_last": "q.insert(0, nn.Tanh()); q.insert(4, nn.Sigmoid()); q",
    "pop": "q.pop(1), q",
    "pop_last": "q.pop(-1), q",
    "pop_out_of_range": "q.pop(8)",
    "add": "q + type(q)(), q + q",
    "iadd": "r = q; q += type(q)(); q += q[1:]; q is r, q",
    "add_a_number": "try: q + 3\nexcept (TypeError, ValueError): 'no'",
    "state": "list(q.state_dict()), [n for n, _ in q.named_parameters()]",
    "named": "q.x = nn.Tanh(); q, len(q)",
}


@pytest.mark.needs_torch
@pytest.mark.parametrize("code", LISTED.values(), ids=LISTED)
@pytest.mark.parametrize("kind", ["Sequential({})", "ModuleList([{}])"], ids=["Sequential", "List"])
def test_listed(kind: str, code: str) -> None:
    modules = "nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)"
    check(f"torch.manual_seed(0); q = nn.{kind.format(modules)}\n{code}")


@pytest.mark.needs_torch
@table(
    empty_is_identity="x = torch.ones(2); nn.Sequential()(x) is x",
    forward="torch.manual_seed(0); nn.Sequential(nn.Linear(2, 3), nn.Tanh())(torch.ones(1, 2))",
    none_in_it="nn.Sequential(None)",
    none_called="nn.Sequential(None)(torch.ones(1))",
    ordered="""
from collections import OrderedDict
q = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Linear(2, 2)))
q, q[0:1], q.a is q[0], list(q.state_dict())""",
    plain_dict="nn.Sequential(dict(a=nn.ReLU()))",
    a_list="nn.Sequential([nn.ReLU()])",
    a_number="nn.Sequential(3)",
    no_input="nn.Sequential()()",
    two_inputs="nn.Sequential(nn.ReLU())(torch.ones(1), torch.ones(1))",
    plus_a_list="nn.Sequential(nn.ReLU()) + [nn.Tanh()]",
    extend_list_by_a_number="nn.ModuleList().extend(3)",
    insert_far_away="nn.Sequential(nn.ReLU()).insert(9, nn.Tanh())",
    list_of_nothing="nn.ModuleList(None), nn.ModuleList([])",
    list_from_a_generator="nn.ModuleList(nn.Linear(i, 1) for i in range(1, 4))",
    list_with_none="nn.ModuleList([None])",
    list_with_a_number="nn.ModuleList([3])",
    list_insert_returns_nothing="nn.ModuleList([nn.ReLU()]).insert(0, nn.Tanh())",
    list_plus_a_list="nn.ModuleList([nn.ReLU()]) + [nn.Tanh()]",
)
def test_containers(code: str) -> None:
    check(code)


# --- Layers ---------------------------------------------------------------------------------------

LAYERS = {
    "Linear": ("nn.Linear(4, 3)", [(4,), (5, 4), (1, 4), (0, 4), (2, 5, 4), (2, 3, 5, 4)]),
    "Linear without bias": ("nn.Linear(4, 3, bias=False)", [(4,), (5, 4), (0, 4), (2, 5, 4)]),
    "Linear, wide": ("nn.Linear(2, 40)", [(2,), (100, 2)]),
    "Linear to one": ("nn.Linear(4, 1)", [(4,), (100, 4), (2, 5, 4)]),
    "Linear in float64": ("nn.Linear(4, 3, dtype=torch.float64)", [(4,), (5, 4)]),
    "ReLU": ("nn.ReLU()", [(), (4,), (2, 3, 4), (0, 2)]),
    "Sigmoid": ("nn.Sigmoid()", [(), (4,), (2, 3, 4), (0, 2)]),
    "Tanh": ("nn.Tanh()", [(), (4,), (2, 3, 4), (0, 2)]),
    "Softmax": ("nn.Softmax(dim=-1)", [(), (4,), (3, 4), (2, 3, 4), (0, 4), (3, 0)]),
    "Softmax of columns": ("nn.Softmax(dim=0)", [(), (4,), (3, 4), (2, 3, 4)]),
    "LogSoftmax": ("nn.LogSoftmax(dim=-1)", [(), (4,), (3, 4), (2, 3, 4), (0, 4), (3, 0)]),
    "LogSoftmax of columns": ("nn.LogSoftmax(dim=0)", [(), (4,), (3, 4), (2, 3, 4)]),
    "Flatten": ("nn.Flatten()", [(4, 1), (3, 4), (2, 3, 4), (0, 3, 4), (2, 3, 4, 5)]),
    "Flatten all": ("nn.Flatten(0)", [(), (4,), (3, 4), (2, 3, 4)]),
    "Flatten some": ("nn.Flatten(1, 2)", [(2, 3, 4), (2, 3, 4, 5)]),
    "Identity": ("nn.Identity(7, option=1)", [(), (4,), (2, 3)]),
    "stack": (
        "nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))",
        [(4,), (50, 4), (2, 5, 4)],
    ),
}
CASES = [(make, shape) for make, shapes in LAYERS.values() for shape in shapes]

THROUGH = """
torch.manual_seed(5)
layer = {make}.to(torch.{dtype})
rng = np.random.default_rng(1)
x = torch.tensor(rng.normal(size={shape}), dtype=torch.{dtype}, requires_grad=True)
y = layer(x)
g = torch.tensor(rng.normal(size=tuple(y.shape)), dtype=torch.{dtype})
(y * g).sum().backward()
y.detach(), y.requires_grad, x.grad, [p.grad for p in layer.parameters()]
"""


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("make", "shape"), CASES, ids=[f"{make[3:]} {shape}" for make, shape in CASES]
)
def test_layers(make: str, shape: tuple[int, ...], dtype: str) -> None:
    check(THROUGH.format(make=make, shape=shape, dtype=dtype))


@pytest.mark.needs_torch
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 2)])
@pytest.mark.parametrize("layer", ["Softmax", "LogSoftmax"])
def test_softmax_without_dim_warns_and_guesses(layer: str, shape: tuple[int, ...]) -> None:
    check(f"x = torch.tensor(np.random.default_rng(0).normal(size={shape})); nn.{layer}()(x)")
    function = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[layer]
    check(f"x = torch.tensor(np.random.default_rng(0).normal(size={shape})); F.{function}(x)")


@pytest.mark.needs_torch
@table(
    relu_in_place="x = torch.tensor([-1.0, 1.0]); y = nn.ReLU(inplace=True)(x); y is x, x",
    relu_in_place_backward="""
x = torch.tensor([-1.0, 2.0], requires_grad=True)
z = x * 3
y = nn.ReLU(inplace=True)(z)
(y * y).sum().backward()
y is z, x.grad""",
    relu_in_place_on_a_leaf="nn.ReLU(inplace=True)(torch.ones(2, requires_grad=True))",
    relu_in_place_on_what_is_saved="""
x = torch.ones(2, requires_grad=True)
nn.ReLU(inplace=True)(x.exp()).sum().backward()""",
    relu_of_integers="nn.ReLU()(torch.arange(3) - 1)",
    relu_of_booleans="nn.ReLU()(torch.tensor([True]))",
    sigmoid_of_integers="nn.Sigmoid()(torch.arange(3))",
    softmax_of_integers="nn.Softmax(dim=0)(torch.arange(3))",
    softmax_dim_out_of_range="nn.Softmax(dim=1)(torch.ones(3))",
    softmax_dim_out_of_range_of_nothing="nn.Softmax(dim=5)(torch.ones(0, 3))",
    softmax_dim_out_of_range_of_a_scalar="nn.LogSoftmax(dim=1)(torch.ones(()))",
    flatten_a_scalar="nn.Flatten()(torch.tensor(1.0))",
    flatten_out_of_range="nn.Flatten(5)(torch.ones(2, 2))",
    flatten_backwards="nn.Flatten(2, 1)(torch.ones(2, 2, 2))",
    linear_inner_size="nn.Linear(2, 3)(torch.ones(5, 4))",
    linear_inner_size_of_a_vector="nn.Linear(2, 3)(torch.ones(4))",
    linear_inner_size_of_a_batch="nn.Linear(2, 3)(torch.ones(2, 5, 4))",
    linear_inner_size_without_bias="nn.Linear(2, 3, bias=False)(torch.ones(5, 4))",
    linear_of_float64="nn.Linear(2, 3)(torch.ones(5, 2, dtype=torch.float64))",
    linear_of_integers="nn.Linear(2, 3)(torch.ones(5, 2).long())",
    linear_of_integers_without_bias="nn.Linear(2, 3, bias=False)(torch.ones(5, 2).long())",
    linear_of_a_scalar="nn.Linear(2, 3)(torch.tensor(1.0))",
    linear_of_a_list="nn.Linear(2, 3)([1.0, 2.0])",
    linear_of_text="nn.Linear(2, 3)('x')",
    linear_missing_size="try: nn.Linear(2)\nexcept TypeError: 'no'",
    linear_negative_size="nn.Linear(-1, 2)",
    linear_of_integer_dtype="nn.Linear(2, 2, dtype=torch.int64)",
    linear_on_cuda="nn.Linear(2, 2, device='cuda')",
    linear_on_cpu="torch.manual_seed(0); nn.Linear(2, 2, device='cpu').weight",
    linear_without_inputs="torch.manual_seed(0); nn.Linear(0, 2)(torch.ones(3, 0)), torch.rand(1)",
    linear_without_outputs="torch.manual_seed(0); nn.Linear(2, 0)(torch.ones(3, 2)), torch.rand(1)",
    no_graph="with torch.inference_mode(): y = nn.Linear(2, 2)(torch.ones(2))\ny.requires_grad",
    relu_by_keyword="F.relu(input=torch.ones(2), inplace=True)",
    softmax_by_keyword="F.softmax(input=torch.ones(2, 2), dim=-1)",
    softmax_in_float64="F.softmax(torch.arange(3), dim=0, dtype=torch.float64)",
    log_softmax_in_float64="F.log_softmax(input=torch.arange(3), dim=0, dtype=torch.float64)",
    linear_function="F.linear(input=torch.ones(2, 2), weight=torch.ones(3, 2), bias=torch.ones(3))",
    functions="x = torch.arange(3.0) - 1; F.sigmoid(x), F.tanh(x), F.logsigmoid(x), F.softplus(x)",
    one_hot="F.one_hot(torch.arange(3))",
)
def test_layer_rules(code: str) -> None:
    check(code)


# --- Initial values -------------------------------------------------------------------------------

SHAPES = [(1, 1), (2, 10), (10, 10), (10, 1), (7, 300)]


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_starts_with_torchs_bits(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    for seed in range(200):
        state = []
        for engine in (tg, torch):
            engine.manual_seed(seed)
            layers = [
                engine.nn.Linear(*shape, dtype=getattr(engine, dtype))
                for shape in SHAPES[: 5 if seed < 20 else 4]
            ]
            state.append([p.detach().numpy() for layer in layers for p in layer.parameters()])
        for ours, theirs in zip(*state, strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs, err_msg=f"seed {seed}")


@pytest.mark.needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "code",
    [
        "uniform_({})",
        "uniform_({}, -0.3, 0.9)",
        "uniform_(tensor={}, a=0.5, b=2)",
        "normal_({})",
        "normal_({}, 2.0, 0.1)",
        "normal_({}, mean=-1, std=3)",
        "constant_({}, 2.5)",
        "constant_({}, val=-1)",
        "zeros_({})",
        "ones_({})",
        "xavier_uniform_({})",
        "xavier_uniform_({}, gain=1.7)",
        "xavier_normal_({})",
        "xavier_normal_({}, 0.3)",
        "kaiming_uniform_({})",
        "kaiming_uniform_({}, a=5**0.5)",
        "kaiming_uniform_({}, mode='fan_out', nonlinearity='relu')",
        "kaiming_normal_({})",
        "kaiming_normal_({}, 0.1, 'fan_out')",
        "kaiming_normal_({}, nonlinearity='tanh')",
        "kaiming_normal_({}, mode='FAN_OUT', nonlinearity='sigmoid')",
    ],
)
def test_init_has_torchs_bits(code: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    for seed, shape in enumerate([(3, 2), (10, 10), (4, 3, 2), (1, 40)]):
        values = []
        for engine in (tg, torch):
            engine.manual_seed(seed)
            empty = engine.nn.Parameter(engine.empty(shape, dtype=getattr(engine, dtype)))
            filled = eval(f"init.{code.format('x')}", {"init": engine.nn.init, "x": empty})
            assert filled is empty
            values.append((filled.detach().numpy(), engine.rand(1).item()))
        (ours, our_next), (theirs, their_next) = values
        np.testing.assert_array_equal(ours, theirs)
        assert our_next == their_next


@pytest.mark.needs_torch
@table(
    gains="""
[nn.init.calculate_gain(n) for n in ('linear', 'sigmoid', 'tanh', 'relu', 'leaky_relu', 'selu')]""",
    leaky_gain="nn.init.calculate_gain('leaky_relu', 0.2), nn.init.calculate_gain('leaky_relu', 2)",
    leaky_gain_of_text="nn.init.calculate_gain('leaky_relu', 'a')",
    leaky_gain_of_true="nn.init.calculate_gain('leaky_relu', True)",
    unknown_gain="nn.init.calculate_gain('other')",
    unknown_mode="nn.init.kaiming_uniform_(torch.empty(3, 4), mode='other')",
    vector="nn.init.xavier_uniform_(torch.empty(3))",
    vector_kaiming="nn.init.kaiming_normal_(torch.empty(3))",
    nothing="nn.init.kaiming_uniform_(torch.empty(3, 0)), torch.initial_seed() * 0",
    nothing_normal="nn.init.kaiming_normal_(torch.empty(0, 3))",
    nothing_xavier="nn.init.xavier_uniform_(torch.empty(0, 3))",
    nothing_uniform="nn.init.uniform_(torch.empty(0))",
    integers="nn.init.uniform_(torch.empty(3, dtype=torch.int64))",
    wrong_order="nn.init.uniform_(torch.empty(3), 1.0, 0.0)",
    generator="nn.init.uniform_(torch.empty(3), generator=torch.Generator().manual_seed(3))",
    generator_normal="g = torch.Generator(); nn.init.normal_(torch.empty(3), generator=g)",
    no_graph="p = nn.Parameter(torch.zeros(2, 2)); nn.init.ones_(p); p, p.grad_fn, p.is_leaf",
    again="m = nn.Linear(3, 2); torch.manual_seed(1); m.reset_parameters(); m.state_dict()",
    module_then_draw="torch.manual_seed(1); nn.Linear(3, 2); nn.ReLU(); torch.rand(2)",
)
def test_init_rules(code: str) -> None:
    check(code)


@snippets("""
m = nn.Linear(2, 2); w = torch.ones(2, 2, requires_grad=True); del m.weight; m.weight = w * 2
|m(torch.ones(1, 2)).sum().backward(); w.grad
m = nn.Linear(2, 1); del m.weight; m.register_buffer("weight", torch.ones(1, 2)); m.bias.fill_
|m(torch.ones(3, 2)) - m.bias
m = nn.Linear(2, 1); w = m.weight.detach().clone(); del m.bias; m.bias = None
|torch.equal(m(torch.ones(1, 2)), torch.ones(1, 2) @ w.T)
m = nn.Linear(2, 1); del m.bias; m(torch.ones(1, 2))
class Net(nn.Module):
|    def __init__(self):
|        super().__init__(); self._hooks = []; self._hook = self._named = self._forget = 3
|        self._register = self._owner = self._convert = 4; self.layer = nn.Linear(2, 1)
|    def forward(self, x): return self.layer(x)
|n = Net(); h = n.register_forward_hook(lambda m, a, y: y * 0)
|del n.layer.bias; n.layer.bias = None
|n.double()(torch.ones(1, 2).double()), [name for name, _ in n.named_parameters()], n._hooks
m = nn.Module(); m.register_buffer("a", torch.ones(1), persistent=False); del m.a
|m.a = nn.Parameter(torch.ones(1)); list(m.state_dict())
m = nn.Linear(1, 1).half(); y = m(torch.ones(4096, 1).half()); y.backward(torch.ones_like(y))
|m.bias.grad
""")
def test_what_a_model_may_do_to_its_attributes(code: str) -> None:
    """Weight normalization, pruning and hypernetworks replace a parameter by a computed tensor."""
    check(code)
