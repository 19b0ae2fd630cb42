"""The golden table of newcomers' mistakes: what PyTorch answers, the engine answers.

The same type of exception, and a message that starts with PyTorch's first sentence and shows what
is wrong: the shapes, where it is the shapes. ``tests/data/mistakes.json`` holds PyTorch's answers,
so that most of this needs no PyTorch; after a change of the table::

    python tests/test_errors.py --record
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

RECORD = Path(__file__).parent / "data" / "mistakes.json"
if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from parity import begins, first_sentence, outcome, pytorch  # noqa: E402

import tinygrad_cls  # noqa: E402


@dataclass
class Mistake:
    """A snippet that fails, what our message must show, and why torch's text is not ours to say."""

    code: str
    shows: tuple[str, ...] = ()
    own_words: str = ""


def oops(code: str, *shows: str, own_words: str = "") -> Mistake:
    return Mistake(code, shows, own_words)


INTERNAL = "torch's text lists C++ signatures"
PYTHON = "the text is Python's and names torch's own module, class or file"
PRIVATE = "torch's text names an attribute of its own that no user has set"
ARRAY = "torch trips over the array's size, which is a number"
MISSING = "Python says it itself: missing 1 required positional argument: 'dim'"

# What most snippets of their sections share.
LOGITS, LABELS = "torch.zeros(4, 3)", "torch.tensor([0, 1, 2, 0])"
PARAMS = "nn.Linear(2, 1).parameters()"
SGD = "optim.SGD([torch.ones(1)], lr=0.1)"
ROWS = "torch.utils.data.TensorDataset(torch.zeros(4, 2), torch.zeros(4))"
X = "x = torch.ones(2, requires_grad=True)"

MISTAKES = [
    # --- shapes that do not fit -----------------------------------------------------------------
    oops("torch.zeros(2, 3) + torch.zeros(2)", "(2, 3)", "(2,)"),
    oops("torch.zeros(4, 3) * torch.zeros(2, 3)", "(4, 3)", "(2, 3)"),
    oops("torch.zeros(4, 1, 3) - torch.zeros(2, 2)", "(4, 1, 3)", "(2, 2)"),
    oops("torch.zeros(3) == torch.zeros(2)", "(3,)", "(2,)"),
    oops("torch.maximum(torch.zeros(3), torch.zeros(2))", "(3,)", "(2,)"),
    oops("x = torch.zeros(2); x += torch.zeros(3)", "(2,)", "(3,)"),
    oops("x = torch.zeros(3); x.add_(torch.zeros(2, 3))", "[3]", "[2, 3]"),
    oops("x = torch.zeros(2); x += torch.zeros(1, 2)", "[2]", "[1, 2]"),
    oops("torch.where(torch.zeros(3) > 0, torch.zeros(2), torch.ones(2))", "(3,)", "(2,)"),
    oops("torch.zeros(3).masked_fill(torch.zeros(2, dtype=torch.bool), 1.0)", "(3,)", "(2,)"),
    oops("torch.norm(torch.zeros(2, 2, 2), dim=(0, 1, -1))", "0 1 -1", "p=2"),
    oops("torch.zeros(2, 2).norm('max')", "max"),
    oops("torch.zeros(2, 3) @ torch.zeros(2, 3)", "2x3 and 2x3"),
    oops("torch.zeros(2, 3) @ torch.zeros(2)", "(2x3)", "(2)"),
    oops("torch.zeros(3) @ torch.zeros(2)", "[3]", "[2]"),
    oops("torch.zeros(3) @ torch.zeros(2, 4)", "1x3 and 2x4"),
    oops("torch.zeros(5, 2, 3) @ torch.zeros(5, 2, 3)", "(5, 2, 3)"),
    oops("torch.zeros(5, 2, 3) @ torch.zeros(4, 3, 2)", "(5, 2, 3)", "(4, 3, 2)"),
    oops("torch.zeros(2, 3) @ torch.tensor(2.0)", "2D", "0D"),
    oops("torch.mm(torch.zeros(2, 3), torch.zeros(4, 5))", "2x3 and 4x5"),
    oops("torch.mm(torch.zeros(3), torch.zeros(3, 2))"),
    oops("torch.mv(torch.zeros(2, 3), torch.zeros(2))", "2x3"),
    oops("torch.dot(torch.zeros(3), torch.zeros(4))", "[3]", "[4]"),
    oops("torch.dot(torch.zeros(3, 1), torch.zeros(3))", "2D", "1D"),
    oops("torch.bmm(torch.zeros(2, 3), torch.zeros(3, 2))"),
    oops("torch.bmm(torch.zeros(4, 2, 3), torch.zeros(5, 3, 2))", "[5, 3]"),
    oops("nn.Linear(2, 3)(torch.zeros(4, 5))", "4x5 and 2x3"),
    oops("nn.Linear(2, 3)(torch.zeros(5))", "1x5 and 2x3"),
    oops("nn.Linear(2, 3)(torch.zeros(7, 4, 5))", "28x5 and 2x3"),
    oops("nn.Linear(2, 3)(torch.tensor(1.0))"),
    oops("nn.Sequential(nn.Linear(2, 10), nn.Linear(5, 1))(torch.zeros(8, 2))", "8x10 and 5x1"),
    oops("F.linear(torch.zeros(4, 2), torch.zeros(3, 5))", "4x2 and 5x3"),
    oops("torch.zeros(6).reshape(4, 2)", "[4, 2]", "6"),
    oops("torch.zeros(6).view(4, -1)", "[4, -1]", "6"),
    oops("torch.zeros(6).reshape(-1, -1)"),
    oops("torch.zeros(6).view(-2, 3)", "[-2, 3]"),
    oops("torch.zeros(0).reshape(0, -1)", "[0, -1]"),
    oops("torch.zeros(2, 3).T.view(6)"),
    oops("torch.zeros(2, 3).expand(4, 3)", "[4, 3]", "[2, 3]"),
    oops("torch.zeros(2, 3).repeat(2)", "(2, 3)"),
    oops("torch.zeros(2, 3).permute(0)"),
    oops("torch.zeros(2, 3).permute(0, 0)"),
    oops("torch.zeros(2, 3, 4).t()", "3D"),
    oops("torch.zeros(3).mT", "1-D"),
    oops("torch.cat([torch.zeros(2, 3), torch.zeros(2, 4)])", "3", "4"),
    oops("torch.cat([torch.zeros(2, 3), torch.zeros(3)])", "2", "1"),
    oops("torch.cat([])"),
    oops("torch.cat([torch.tensor(1.0), torch.tensor(2.0)])"),
    oops("torch.stack([torch.zeros(2), torch.zeros(3)])", "[2]", "[3]"),
    oops("torch.stack([])"),
    oops("torch.zeros(5).split([2, 2])", "[2, 2]", "5"),
    oops("torch.zeros(5).chunk(0)", "0"),
    oops("torch.zeros(2, 3).flatten(1, 0)"),
    oops("a, b, c = torch.zeros(2)"),
    # --- axes that are not there ----------------------------------------------------------------
    oops("torch.zeros(2, 3).sum(2)", "[-2, 1]", "2"),
    oops("torch.zeros(2, 3).mean(dim=5)", "[-2, 1]", "5"),
    oops("torch.zeros(2, 3).argmax(-3)", "[-2, 1]", "-3"),
    oops("torch.zeros(2, 3).softmax(2)", "[-2, 1]"),
    oops("nn.Softmax(dim=3)(torch.zeros(2, 2))", "[-2, 1]"),
    oops("torch.zeros(2, 3).squeeze(3)", "[-2, 1]"),
    oops("torch.zeros(2, 3).unsqueeze(4)", "[-3, 2]"),
    oops("torch.zeros(2, 3).transpose(0, 2)", "[-2, 1]"),
    oops("torch.zeros(2, 3).size(2)", "[-2, 1]"),
    oops("torch.zeros(2, 3).max(2)", "[-2, 1]"),
    oops("torch.zeros(2, 3).sort(2)", "[-2, 1]"),
    oops("torch.zeros(2, 3).sum((0, 0))", "0"),
    oops("torch.zeros(2, 3).topk(4)"),
    oops("torch.cat([torch.zeros(2), torch.zeros(2)], dim=1)", "[-1, 0]"),
    oops("torch.stack([torch.zeros(2)], dim=3)", "[-2, 1]"),
    # --- indices --------------------------------------------------------------------------------
    oops("torch.zeros(2, 3)[2]", "2", "dimension 0", "size 2"),
    oops("torch.zeros(2, 3)[0, -4]", "-4", "dimension 1", "size 3"),
    oops("torch.zeros(2, 3)[0, 0, 0]", "dimension 2"),
    oops("torch.tensor(1.0)[0]"),
    oops("torch.zeros(2, 3)[[0, 5]]", "5", "size 2"),
    oops("torch.zeros(2, 3)[torch.tensor([0, 2])]", "size 2"),
    oops("torch.zeros(2, 3)[torch.tensor([0.0, 1.0])]"),
    oops("torch.zeros(2, 3)[1.5]", "float"),
    oops("torch.zeros(2, 3)[torch.tensor([True, False, True])]", "[3]", "[2, 3]"),
    oops("torch.zeros(2, 3)[[0, 1], [0, 1, 2]]", "[2]", "[3]"),
    oops("torch.zeros(2, 3)[::-1]"),
    oops("x = torch.zeros(2, 3); x[2] = 1.0", "size 2"),
    oops("x = torch.zeros(2, 3); x[0] = torch.zeros(2)", "[3]", "[2]"),
    oops("x = torch.zeros(2, 3); x[x == 0] = torch.zeros(5)", "[5]", "[6]"),
    oops("x = torch.zeros(2, 3); x[0] = 'a'"),
    oops("torch.zeros(2, 3).gather(1, torch.zeros(2, dtype=torch.long))"),
    oops("torch.zeros(2, 3).gather(1, torch.tensor([[3]]))", "3"),
    oops("torch.zeros(2, 3).gather(1, torch.zeros(2, 1))"),
    oops("torch.zeros(2, 3).index_select(0, torch.tensor([2]))", "2"),
    oops("F.one_hot(torch.tensor([0, 3]), 3)"),
    oops("F.one_hot(torch.tensor([-1, 1]))"),
    oops("F.one_hot(torch.tensor([0.0, 1.0]))"),
    # --- dtypes ---------------------------------------------------------------------------------
    oops("torch.zeros(2, 3) @ torch.zeros(3, 2, dtype=torch.float64)", "float", "double"),
    oops("nn.Linear(2, 1)(torch.zeros(4, 2, dtype=torch.float64))", "Double", "Float"),
    oops("nn.Linear(2, 1)(torch.zeros(4, 2, dtype=torch.long))", "Long", "Float"),
    oops("torch.tensor([1, 2]).mean()", "Long", ".float()"),
    oops("torch.tensor([1, 2]).std()"),
    oops("torch.tensor([1, 2]).softmax(0)", "Long"),
    oops("torch.tensor([True]) - torch.tensor([True])"),
    oops("-torch.tensor([True])"),
    oops("~torch.tensor([1.0])"),
    oops("torch.tensor([1.0]) & torch.tensor([1.0])", "Float"),
    oops("torch.tensor([1]) // torch.tensor([0])"),
    oops("torch.tensor([2]) ** -1"),
    oops("x = torch.tensor([1]); x += 0.5", "Float", "Long"),
    oops("x = torch.tensor([1]); x /= 2", "Float", "Long"),
    oops("x = torch.tensor([True]); x += 1", "Long", "Bool"),
    oops("torch.where(torch.tensor([1.0, 0.0]), torch.zeros(2), torch.ones(2))"),
    oops("torch.zeros(3).masked_fill(torch.zeros(3), 1.0)"),
    oops("torch.tensor(300, dtype=torch.uint8)"),
    oops("torch.tensor([1.5], dtype='float32')", "str"),
    oops("torch.tensor([1.5], torch.float64)"),
    oops("torch.set_default_dtype(torch.long)"),
    oops("torch.rand(2, dtype=torch.long)"),
    # --- things that are not tensors ------------------------------------------------------------
    oops("torch.zeros(2) + '1'", own_words="Python finds no operator, in words of its version"),
    oops("torch.zeros(2) + [1.0, 2.0]"),
    oops("torch.zeros(2) + None"),
    oops("torch.zeros(2) @ 2"),
    oops("torch.zeros(2) < [1.0, 2.0]"),
    oops("torch.exp(2.0)", "float"),
    oops("torch.exp([1.0])", "list"),
    oops("torch.relu(1.0)", "float"),
    oops("torch.add(torch.zeros(2), '1')", "str"),
    oops("nn.ReLU()([1.0, -1.0])", "list"),
    oops("nn.Linear(2, 1)([[1.0, 2.0]])", "list"),
    oops("torch.cat([torch.zeros(2, 3), 1.0])", "float"),
    oops("torch.from_numpy([1.0, 2.0])", "list"),
    oops("torch.zeros_like([1.0])", "list"),
    oops("torch.argmax([1, 2])", "list"),
    oops("torch.allclose(torch.zeros(2), [0.0, 0.0])", "list"),
    oops("np.zeros(2) + torch.zeros(2)"),
    # --- arguments that are missing, too many or unknown ----------------------------------------
    oops("torch.exp()", own_words="our inputs have names of their own"),
    oops("torch.softmax(torch.zeros(3))", "dim"),
    oops("torch.zeros(2, 3).transpose(0)", "dim1", own_words=MISSING),
    oops("torch.zeros(2, 3).unsqueeze()", "dim", own_words=MISSING),
    oops("torch.zeros(2, 3).sum(axes=0)", "axes", own_words=INTERNAL),
    oops("torch.zeros(2, 3).sum('rows')", "rows", own_words=INTERNAL),
    oops("torch.exp(torch.zeros(2), axis=0)", "axis"),
    oops("nn.Linear(2)", "out_features"),
    oops("nn.Linear(2, 1)()", "forward"),
    oops("nn.Linear(2, 1, hidden=3)", "hidden"),
    oops("torch.tensor([1.0], require_grad=True)", "require_grad"),
    oops("torch.zeros(2).nosuch()", "nosuch"),
    oops("torch.nosuch", "nosuch", own_words=PYTHON),
    oops("nn.NoSuch", "NoSuch", own_words=PYTHON),
    oops("torch.zeros(3).clamp()", "min"),
    # --- making tensors -------------------------------------------------------------------------
    oops("torch.tensor([[1.0, 2.0], [3.0]])", "length 2", "1"),
    oops("torch.tensor([[1.0], 2.0])"),
    oops("torch.tensor('abc')", "str"),
    oops("torch.tensor(['a', 'b'])", "str"),
    oops("torch.tensor(None)", "NoneType"),
    oops("torch.tensor([1.0, None])"),
    oops("torch.tensor({1: 2})", "dict"),
    oops("torch.tensor(2**70)"),
    oops("torch.tensor([torch.zeros(2), torch.zeros(2)])"),
    oops("torch.tensor(np.array(['a']))"),
    oops("torch.zeros(-1)", "-1"),
    oops("torch.zeros(2.5)", "float"),
    oops("torch.full((2,))", "fill_value", own_words=MISSING),
    oops("torch.arange(3, 0)", "3", "0"),
    oops("torch.arange(0, 3, 0)"),
    oops("torch.linspace(0, 1, -1)"),
    oops("torch.eye(-1)", "-1"),
    oops("torch.randint(3, 1, (2,))", "3", "1"),
    oops("torch.device('gpu')", "gpu"),
    oops("torch.zeros(2, dtype='int')", "str"),
    # --- numbers, truth and length --------------------------------------------------------------
    oops("torch.zeros(2).item()", "2 elements", "(2,)"),
    oops("float(torch.zeros(2))", "(2,)"),
    oops("bool(torch.zeros(2))", "(2,)"),
    oops("bool(torch.zeros(0))", "(0,)"),
    oops("if torch.zeros(2) > 0: pass", "(2,)"),
    oops("torch.zeros(2) in [torch.ones(2), torch.zeros(2)]", "(2,)"),
    oops("len(torch.tensor(1.0))"),
    oops("[x for x in torch.tensor(1.0)]"),
    oops("[1, 2, 3][torch.tensor(1.0)]"),
    oops("f'{torch.zeros(2):.2f}'"),
    oops("round(torch.tensor(1.5))"),
    oops("int(torch.tensor(math.nan))"),
    # --- empty tensors --------------------------------------------------------------------------
    oops("torch.zeros(0).max()", "(0,)"),
    oops("torch.zeros(0).argmax()", "(0,)"),
    oops("torch.zeros(0, 3).max(0)", "(0, 3)"),
    oops("torch.zeros(0, 3).amin(0)", "(0, 3)"),
    oops("torch.zeros(0).topk(1)"),
    # --- autograd -------------------------------------------------------------------------------
    oops("torch.zeros(2).sum().backward()", "requires_grad=True"),
    oops("torch.zeros(2, requires_grad=True).backward()", "(2,)"),
    oops("(torch.zeros(2, requires_grad=True) * 2).backward()", "(2,)", "gradient="),
    oops("x = torch.tensor(2.0, requires_grad=True); y = x * x; y.backward(); y.backward()"),
    oops(
        "x = torch.ones(2, requires_grad=True); (x * 2).backward(torch.ones(3))",
        "torch.Size([3])",
        "torch.Size([2])",
    ),
    oops("x = torch.ones(2, requires_grad=True); x += 1", "no_grad()"),
    oops("x = torch.ones(2, requires_grad=True); x[0] = 5.0", "no_grad()"),
    oops("x = torch.ones(2, requires_grad=True); x.view(2, 1).fill_(1)"),
    oops(
        "x = torch.ones(2, requires_grad=True); y = x.exp(); y += 1; y.sum().backward()",
        "[torch.FloatTensor [2]]",
        "version 1; expected version 0",
    ),
    oops("m = nn.Linear(2, 1); m.weight += 1", "no_grad()"),
    oops("torch.tensor([1, 2], requires_grad=True)", "int64"),
    oops("torch.tensor([1, 2]).requires_grad_()", "int64"),
    oops("x = torch.ones(2, requires_grad=True); (x * 2).requires_grad = False"),
    oops("torch.ones(2).retain_grad()"),
    oops("torch.ones(2).register_hook(print)"),
    oops("x = torch.ones(2, requires_grad=True); x.grad = torch.ones(3)", "[3]", "[2]"),
    oops("x = torch.ones(2, requires_grad=True); x.grad.zero_()", own_words=PYTHON),
    oops("x = torch.ones(2, requires_grad=True); x.numpy()", "detach().numpy()"),
    oops("x = torch.ones(2, requires_grad=True); np.asarray(x)", "detach().numpy()"),
    oops("x = torch.ones(2, requires_grad=True); copy.deepcopy(x * 2)", "detach()"),
    oops(
        "x = torch.ones(2, requires_grad=True); torch.autograd.grad(x.sum(), torch.ones(2))",
        "(2,)",
    ),
    oops(
        "x, w = torch.ones(2, 1, requires_grad=True), torch.ones(2, requires_grad=True)\n"
        "torch.autograd.grad(x.sum(), w)",
        "allow_unused=True",
    ),
    oops("torch.autograd.grad(torch.ones(2, requires_grad=True) * 2, [])"),
    # --- losses ---------------------------------------------------------------------------------
    oops(
        "nn.BCEWithLogitsLoss()(torch.zeros(4, 1), torch.zeros(4))",
        "torch.Size([4, 1])",
        "torch.Size([4])",
    ),
    oops("nn.BCEWithLogitsLoss()(torch.zeros(4), torch.tensor([0, 1, 1, 0]))", "Long"),
    oops("nn.BCEWithLogitsLoss()(torch.zeros(2), torch.tensor([True, False]))"),
    oops("nn.BCEWithLogitsLoss(reduction='avg')(torch.zeros(2), torch.zeros(2))", "avg"),
    oops("nn.BCEWithLogitsLoss()(torch.zeros(2))", "forward"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 3), torch.zeros(4))"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.long))"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 3), torch.zeros(5, dtype=torch.long))", "4", "5"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 3), torch.zeros(4, 3, dtype=torch.long))", "Long"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int32))", "Int"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 3), torch.tensor([0, 1, 2, 3]))", "3"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 3), torch.tensor([0, 1, 2, -1]))", "-1"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 3), [0, 1, 2, 0])", "list"),
    oops("nn.CrossEntropyLoss(reduction='avg')(torch.zeros(4, 3), torch.zeros(4).long())", "avg"),
    # --- losses: their options, and targets of the wrong kind -----------------------------------
    oops(f"nn.CrossEntropyLoss(label_smoothing=2.0)({LOGITS}, {LABELS})", "Got: 2"),
    oops(f"nn.CrossEntropyLoss(label_smoothing=1.5)({LOGITS}, {LOGITS})", "Got: 1.5"),
    oops(f"nn.CrossEntropyLoss(label_smoothing='0.1')({LOGITS}, {LABELS})", "str"),
    oops(f"nn.CrossEntropyLoss(weight=torch.ones(2))({LOGITS}, {LABELS})", "3 classes", "[2]"),
    oops(f"nn.CrossEntropyLoss(weight=torch.ones(2))({LOGITS}, {LOGITS})", "3 classes", "[2]"),
    oops(
        "nn.CrossEntropyLoss(weight=torch.ones(2))(torch.zeros(4, 3, 5), torch.zeros(4, 5).long())",
        "[2]",
    ),
    oops(f"nn.CrossEntropyLoss(weight=torch.ones(3).double())({LOGITS}, {LABELS})", "Double"),
    oops(f"nn.CrossEntropyLoss(weight=torch.tensor([1, 2, 3]))({LOGITS}, {LABELS})", "Long"),
    oops("nn.CrossEntropyLoss(weight=[1.0, 2.0, 3.0])", "list"),
    oops("nn.CrossEntropyLoss(weights=torch.ones(3))", "weights"),
    oops("nn.CrossEntropyLoss('mean')", "str"),
    oops(
        f"w = torch.ones(3, requires_grad=True); nn.CrossEntropyLoss(weight=w)({LOGITS}, {LABELS})",
        "weight.detach()",
    ),
    oops(f"nn.CrossEntropyLoss(ignore_index=0)({LOGITS}, {LOGITS})", "0"),
    oops(f"nn.CrossEntropyLoss(ignore_index=None)({LOGITS}, {LABELS})", "NoneType"),
    oops(
        f"nn.CrossEntropyLoss(ignore_index=-1)({LOGITS}, torch.tensor([0, 1, 2, -100]))",
        "-100",
        "3 classes",
    ),
    oops(f"nn.CrossEntropyLoss(reduction=None)({LOGITS}, {LABELS})", "none, mean, sum"),
    oops(f"F.cross_entropy({LOGITS}, {LABELS}, reduction='Mean')", "Mean", "none, mean, sum"),
    oops(f"F.cross_entropy({LOGITS}, {LABELS}, 'sum')", "weight", "str"),
    oops(f"F.cross_entropy({LOGITS}, 1)", "target", "int"),
    oops(
        "logits = torch.zeros(4, 3, requires_grad=True)\n"
        f"nn.CrossEntropyLoss(reduction='none')(logits, {LABELS}).backward()",
        "(4,)",
    ),
    oops(f"nn.CrossEntropyLoss(reduction='none')({LOGITS}, {LABELS}).item()", "(4,)"),
    oops("nn.CrossEntropyLoss().backward()", "backward"),
    oops("nn.CrossEntropyLoss()(torch.zeros(1, 3).squeeze(), torch.tensor([[1]]))", "(3,)", "()"),
    oops("nn.CrossEntropyLoss()(torch.zeros(3), torch.tensor([1, 0]))", "2"),
    oops("nn.CrossEntropyLoss()(torch.zeros(4, 1), torch.tensor([0, 1, 1, 0]))", "1 classes"),
    oops(f"nn.CrossEntropyLoss()({LOGITS}, torch.tensor([1, 2, 3, 1]))", "3 classes", "0 to 2"),
    oops(f"nn.CrossEntropyLoss()({LOGITS}, F.one_hot({LABELS}, 3))", "(4, 3)"),
    oops(f"nn.CrossEntropyLoss()({LOGITS}, {LABELS} > 0)", "Bool", ".long()"),
    oops(f"nn.CrossEntropyLoss()({LOGITS}, torch.zeros(4, 2))", "(4, 3)", "(4,)"),
    oops(f"nn.CrossEntropyLoss()({LOGITS}.argmax(1), {LABELS})", "(4,)"),
    oops(f"nn.CrossEntropyLoss()({LABELS}, {LOGITS})", ".float()"),
    oops(f"nn.CrossEntropyLoss()({LOGITS}, np.array([0, 1, 2, 0]))", "numpy.ndarray", "from_numpy"),
    oops(f"nn.CrossEntropyLoss()({LOGITS})", "target"),
    oops(f"nn.CrossEntropyLoss()(nn.Linear(2, 3), {LABELS})", "Linear"),
    oops(
        "nn.CrossEntropyLoss()(torch.zeros(4, 5, 3), torch.zeros(4, 5).long())",
        "(4, 5, 3)",
        "(4, 3)",
    ),
    oops(
        "nn.CrossEntropyLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4).long())",
        "(2, 3, 4, 4)",
        "(2, 4, 4)",
    ),
    oops(
        "nn.CrossEntropyLoss()(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 5).long())",
        "[2, 3, 4, 4]",
        "[2, 4, 5]",
    ),
    oops("nn.BCELoss()(torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]))", "-1 to 2", "logits"),
    oops("nn.BCELoss()(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 2.0]))", "1 to 2"),
    oops("nn.BCELoss()(torch.tensor([math.nan]), torch.tensor([1.0]))", "nan"),
    oops("nn.BCELoss()(torch.tensor([0.5, 0.5]), torch.tensor([1, 0]))", "Long", "Float"),
    oops("nn.BCELoss()(torch.tensor([0.5, 0.5]), torch.tensor([True, False]))", "Bool"),
    oops("nn.BCELoss()(torch.zeros(2), torch.zeros(2).double())", "Double", "Float"),
    oops("nn.BCELoss()(torch.zeros(4, 1), torch.zeros(4))", "[4, 1]", "[4]"),
    oops("nn.BCELoss(weight=torch.ones(3))(torch.zeros(2), torch.zeros(2))", "3", "[2]"),
    oops("nn.BCELoss(pos_weight=torch.ones(1))", "pos_weight", own_words=PYTHON),
    oops("nn.BCELoss()(torch.tensor(0.5), 1.0)", "float", "tensor(...)"),
    oops("nn.BCEWithLogitsLoss(pos_weight=2.0)", "float"),
    oops(
        "nn.BCEWithLogitsLoss(pos_weight=torch.ones(3))(torch.zeros(4, 2), torch.zeros(4, 2))",
        "(4, 2)",
    ),
    oops(
        "nn.BCEWithLogitsLoss(weight=torch.ones(3))(torch.zeros(4, 2), torch.zeros(4, 2))", "(4, 2)"
    ),
    oops("nn.BCEWithLogitsLoss()(torch.zeros(4), [0.0, 1.0, 1.0, 0.0])", "list", "tensor(...)"),
    oops("nn.BCEWithLogitsLoss()(torch.zeros(4), np.zeros(4))", "numpy.ndarray", own_words=ARRAY),
    oops("nn.BCEWithLogitsLoss()(torch.zeros(1, 1).squeeze(), torch.zeros(1))", "[]", "[1]"),
    oops(f"nn.BCEWithLogitsLoss()({LOGITS}, {LABELS})", "[4, 3]", "[4]", "cross_entropy"),
    oops("nn.BCEWithLogitsLoss()(torch.tensor([0, 1]), torch.zeros(2))", "Long", ".float()"),
    oops("nn.BCEWithLogitsLoss(label_smoothing=0.1)", "label_smoothing"),
    oops(f"nn.NLLLoss()({LOGITS}, torch.zeros(4))", "Float", ".long()"),
    oops(f"nn.NLLLoss()({LOGITS}, torch.tensor([0, 1, 2, 3]))", "3 classes"),
    oops(f"nn.NLLLoss()({LOGITS}, {LOGITS})", "(4, 3)", "(4,)"),
    oops("nn.NLLLoss(label_smoothing=0.1)", "label_smoothing"),
    oops("nn.MSELoss()(torch.zeros(4, 3), torch.zeros(4, 2))", "(4, 3)", "(4, 2)"),
    oops("nn.MSELoss()(torch.zeros(4), 1.0)", "float", "tensor(...)"),
    oops("nn.MSELoss()(torch.tensor([1, 2]), torch.tensor([1, 2]))", "Long", ".float()"),
    oops("nn.MSELoss(weight=torch.ones(4))", "weight", own_words=PYTHON),
    oops("nn.MSELoss(reduction='mse')(torch.zeros(4), torch.zeros(4))", "mse", "none, mean, sum"),
    oops("F.mse_loss(torch.zeros(3), torch.zeros(3), weight=torch.ones(2))", "(2,)", "(3,)"),
    oops("nn.L1Loss()(torch.zeros(4, 3), torch.zeros(5, 3))", "(4, 3)", "(5, 3)"),
    oops("nn.SmoothL1Loss(beta=-1.0)(torch.zeros(2), torch.zeros(2))", "-1.0"),
    oops("nn.SmoothL1Loss(beta='1')(torch.zeros(2), torch.zeros(2))", "str"),
    oops(f"{X}; loss = nn.MSELoss()(x, torch.zeros(2)).item(); loss.backward()", "float"),
    oops(f"{X}; nn.MSELoss()(torch.tensor(x.tolist()), torch.zeros(2)).backward()", "no_grad()"),
    oops(
        "x = torch.zeros(4, 3, requires_grad=True)\n"
        "nn.MSELoss()(x.argmax(1).float(), torch.zeros(4)).backward()",
        "requires_grad=True",
    ),
    # --- optimizers -----------------------------------------------------------------------------
    oops(f"optim.SGD({PARAMS}, lr='0.1')", "str"),
    oops(f"optim.SGD({PARAMS}, lr=None)", "NoneType"),
    oops(f"optim.SGD({PARAMS}, lr=torch.tensor([0.1, 0.2]))", "(2,)"),
    oops(f"optim.SGD({PARAMS}, lr=0.1, momentum=-0.9)", "-0.9"),
    oops(f"optim.SGD({PARAMS}, lr=0.1, weight_decay=-1e-4)", "-0.0001"),
    oops(f"optim.SGD({PARAMS}, lr=0.1, nesterov=True)", "momentum 0 "),
    oops(
        f"optim.SGD({PARAMS}, lr=0.1, momentum=0.9, dampening=0.1, nesterov=True)", "dampening 0.1"
    ),
    oops(f"optim.SGD({PARAMS}, lr=0.1, momentun=0.9)", "momentun"),
    oops(f"optim.SGD({PARAMS}, lr=0.1, betas=(0.9, 0.999))", "betas"),
    oops("optim.SGD(lr=0.1)", "params"),
    oops("optim.SGD(None, lr=0.1)", "NoneType"),
    oops("optim.SGD(nn.Linear(2, 1).weight, lr=0.1)", "torch.FloatTensor", "[tensor]"),
    oops(f"optim.SGD([{PARAMS}], lr=0.1)", "model.parameters()"),
    oops(f"optim.SGD([list({PARAMS}), list({PARAMS})], lr=0.1)", "list", "one list of tensors"),
    oops(f"p = {PARAMS}; optim.SGD(p, lr=0.1); optim.SGD(p, lr=0.1)"),
    oops(
        "optim.SGD([nn.Linear(2, 1), nn.Linear(2, 1)], lr=0.1)",
        "optimizer can only optimize Tensors",
        "Linear",
        own_words=PYTHON,
    ),
    oops("optim.SGD(nn.Linear(2, 1).state_dict(), lr=0.1)", "str"),
    oops("optim.SGD(dict(nn.Linear(2, 1).named_parameters()), lr=0.1)", "str"),
    oops(f"optim.SGD({{'params': {PARAMS}}}, lr=0.1)", "str"),
    oops(f"optim.SGD([{{'parameters': {PARAMS}}}], lr=0.1)", "params"),
    oops(
        "optim.SGD([{'params': [torch.ones(2)]}, torch.ones(2)], lr=0.1)",
        "param_group must be a dict, but got",
        "Tensor",
        own_words=PYTHON,
    ),
    oops("optim.SGD([{'params': nn.Linear(2, 1)}], lr=0.1)", "Linear"),
    oops(
        "m = nn.Linear(2, 1); optim.SGD([{'params': m.parameters()}, {'params': m.bias}], lr=0.1)"
    ),
    oops(f"optim.SGD({PARAMS}, lr=0.1).add_param_group({PARAMS})", "generator"),
    oops(f"optim.SGD({PARAMS}, lr=0.1).add_param_group({{'params': {{torch.ones(2)}}}})", "list"),
    oops("optim.SGD([('w', torch.ones(2)), torch.ones(2)], lr=0.1)"),
    oops(f"optim.SGD({PARAMS}, lr=0.1).step(torch.tensor(1.0))", "Tensor"),
    oops(f"optim.SGD({PARAMS}, lr=0.1).zero_grads()", "zero_grads"),
    oops(f"optim.SGD({PARAMS}, lr=0.1).lr", "lr"),
    oops(
        "other = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))\n"
        "state = optim.SGD(other.parameters(), lr=0.1).state_dict()\n"
        f"optim.SGD({PARAMS}, lr=0.1).load_state_dict(state)",
        "4 parameters",
        "2",
    ),
    oops(
        f"state = optim.SGD([{{'params': {PARAMS}}}, {{'params': {PARAMS}}}]).state_dict()\n"
        f"optim.SGD({PARAMS}, lr=0.1).load_state_dict(state)",
        "2, the optimizer has 1",
    ),
    oops(f"optim.SGD({PARAMS}, lr=0.1).load_state_dict(nn.Linear(2, 1).state_dict())"),
    oops(f"optim.Adam({PARAMS}, lr=-1e-3)", "-0.001"),
    oops(f"optim.Adam({PARAMS}, lr='1e-3')", "str"),
    oops(f"optim.Adam({PARAMS}, betas=(0.9, 1.0))", "index 1", "1.0"),
    oops(f"optim.Adam({PARAMS}, betas=0.9)", "float"),
    oops(f"optim.Adam({PARAMS}, momentum=0.9)", "momentum"),
    oops("optim.Adam(nn.Linear(2, 1))", "Linear"),
    oops(f"optim.adam({PARAMS})", "'adam'", own_words=PYTHON),
    oops(f"optim.sgd({PARAMS})", "'sgd'", own_words=PYTHON),
    oops(f"torch.SGD({PARAMS}, lr=0.1)", "'SGD'", own_words=PYTHON),
    # --- learning-rate schedulers ---------------------------------------------------------------
    oops("optim.lr_scheduler.StepLR(nn.Linear(2, 1), 10)", "Linear"),
    oops("optim.lr_scheduler.StepLR(0.1, 10)", "float"),
    oops(f"optim.lr_scheduler.StepLR({SGD})", "step_size"),
    oops(f"optim.lr_scheduler.StepLR({SGD}, 10, last_epoch=5)", "initial_lr"),
    oops(f"optim.lr_scheduler.StepLR({SGD}, 10).lr", "lr"),
    oops(f"optim.lr_scheduler.ExponentialLR({SGD})", "gamma"),
    oops(f"optim.lr_scheduler.CosineAnnealingLR({SGD}, t_max=10)", "t_max"),
    oops(f"optim.lr_scheduler.LambdaLR({SGD}, 0.9)", "float"),
    oops(f"optim.lr_scheduler.LambdaLR({SGD}, [lambda e: 1.0, lambda e: 0.5])", "1", "2"),
    oops(f"optim.lr_scheduler.LambdaLR({SGD}, lambda: 0.9)", "lambda"),
    oops(f"optim.StepLR({SGD}, 10)", "'StepLR'", own_words=PYTHON),
    oops(f"optim.lr_scheduler.StepLr({SGD}, 10)", "'StepLr'", own_words=PYTHON),
    # --- modules and optimizers -----------------------------------------------------------------
    oops("optim.SGD([], lr=0.1)"),
    oops("optim.SGD(nn.ReLU().parameters(), lr=0.1)"),
    oops("optim.SGD(torch.zeros(2, requires_grad=True), lr=0.1)", "torch.FloatTensor"),
    oops("optim.SGD(nn.Linear(2, 1), lr=0.1)"),
    oops("optim.SGD(nn.Linear(2, 1).parameters, lr=0.1)"),
    oops("optim.SGD([1.0, 2.0], lr=0.1)"),
    oops("optim.SGD([torch.zeros(2, requires_grad=True) * 2], lr=0.1)"),
    oops("optim.SGD(nn.Linear(2, 1).parameters(), lr=-0.1)", "-0.1"),
    oops("optim.SGD(nn.Linear(2, 1).parameters(), learning_rate=0.1)", "learning_rate"),
    oops("optim.SGD(nn.Linear(2, 1).parameters(), 0.1).backward()", "backward"),
    oops("nn.Linear(2, 1).backward()", "backward"),
    oops("m = nn.Linear(2, 1); m.wieght", "wieght"),
    oops("nn.Module()(torch.zeros(2))"),
    oops("class Net(nn.Module): pass\nNet()(torch.zeros(2))", "Net"),
    oops(
        "class Net(nn.Module):\n    def __init__(self): self.fc = nn.Linear(2, 1)\nNet()",
        "super().__init__()",
    ),
    oops("nn.Sequential(nn.Linear(2, 1), 3)", "int"),
    oops("nn.Sequential([nn.Linear(2, 1)])", "list"),
    oops("m = nn.Linear(2, 1); m.weight = torch.zeros(1, 2)", "weight"),
    oops("nn.Linear(2, 1).load_state_dict({})", "weight", "bias"),
    oops(
        "nn.Linear(2, 1).load_state_dict({'weight': torch.zeros(1, 3), 'bias': torch.zeros(1)})",
        "torch.Size([1, 3])",
        "torch.Size([1, 2])",
    ),
    oops("nn.Parameter(torch.tensor([1, 2]))", "int64"),
    oops("nn.Parameter([1.0])", "list"),
    oops("nn.Linear(2, 1).train('yes')"),
    # --- layers ---------------------------------------------------------------------------------
    oops("nn.Dropout(p=2)", "2"),
    oops("nn.Dropout(50)", "50"),
    oops("nn.Dropout('0.5')", "str"),
    oops("nn.Dropout(p=0.5, training=False)", "training", own_words=PYTHON),
    oops("nn.Dropout(0.5)([1.0, 2.0])", "list"),
    oops("nn.Dropout(0.5)(torch.tensor([1, 2]))", "Long", ".float()"),
    oops("F.dropout(torch.ones(2), 1.5)", "1.5"),
    oops(f"{X}; nn.Dropout(0.5, inplace=True)(x)"),
    oops("nn.BatchNorm1d(4)(torch.zeros(8, 3))", "3", "4", "(8, 3)"),
    oops("nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(4))(torch.zeros(5, 4))", "(5, 8)"),
    oops("nn.BatchNorm1d(3)(torch.zeros(1, 3))", "[1, 3]", "eval()"),
    oops("nn.BatchNorm1d(3)(torch.zeros(3))", "1D", "(N, C)"),
    oops("nn.BatchNorm1d(3)(torch.zeros(2, 3, 4, 4))", "4D", "(N, C, L)"),
    oops("nn.BatchNorm1d(3)(torch.zeros(8, 3).double())", "float64", "float32"),
    oops("nn.BatchNorm1d(3)(torch.zeros(8, 3).long())", "Long", ".float()"),
    oops("nn.BatchNorm1d(3)([[1.0, 2.0, 3.0]])", "list"),
    oops("nn.BatchNorm1d()", "num_features", own_words=PYTHON),
    oops("nn.BatchNorm1d(3, momentum='0.1')(torch.zeros(8, 3))", "momentum", "str"),
    oops("F.batch_norm(torch.zeros(4, 3), None, None)", "running_mean"),
    oops("nn.LeakyReLU('0.1')(torch.zeros(2))", "negative_slope", "'0.1'"),
    oops("nn.LeakyReLU(alpha=0.1)", "alpha"),
    oops("nn.Softplus(beta='1')(torch.zeros(2))", "beta", "'1'"),
    oops("nn.LogSigmoid()(torch.tensor([1, 2]))", "Long", ".float()"),
    oops("nn.ReLU(torch.zeros(2))", "(2,)"),
    oops("nn.Sigmoid(torch.zeros(2))"),
    oops("nn.Softmax(dim='1')(torch.zeros(3, 3))", "str"),
    oops("nn.Softmax(1)(torch.zeros(3))", "[-1, 0]"),
    oops("F.softmax([1.0, 2.0], dim=0)", "list"),
    oops("nn.Linear(2.0, 1)", "float"),
    oops("nn.Linear(-1, 2)", "[2, -1]"),
    oops("nn.Linear((2, 3))", "out_features"),
    oops("nn.Linear(2, 1)(np.zeros((4, 2), np.float32))", "numpy.ndarray", "from_numpy"),
    oops("nn.Linear(2, 1)(None)", "NoneType"),
    oops("nn.Linear(2, 1).fit(torch.zeros(2), torch.zeros(1))", "fit"),
    oops("nn.Linear(2, 1) @ torch.zeros(2)", "Linear"),
    oops("nn.Linear(2, 1)(torch.zeros(4, 2)).numpy()", "detach().numpy()"),
    oops("nn.Sequential(nn.Linear(2, 3), nn.ReLU)", "ReLU", "nn.ReLU()", own_words=PYTHON),
    oops("nn.Sequential(nn.Linear(2, 3), F.relu)", "relu", "nn.ReLU()", own_words=PYTHON),
    oops("nn.Sequential(nn.Linear(2, 3), lambda x: x)", "<lambda>"),
    oops("nn.Sequential(nn.Linear(2, 3), 'relu')", "str"),
    oops("nn.Sequential((nn.Linear(2, 3), nn.ReLU()))", "tuple"),
    oops("nn.Sequential(nn.Linear(2, 3), activation=nn.ReLU())", "activation"),
    oops("nn.Sequential(nn.Linear(2, 3))[1]", "1 modules"),
    oops("nn.Sequential(nn.Linear(2, 3))['0']", "str"),
    oops("nn.Sequential(nn.Linear(2, 3)).weight", "weight"),
    oops("nn.ModuleList(nn.Linear(2, 3))", "Linear"),
    oops("nn.ModuleList([nn.Linear(2, 3)])(torch.zeros(2))", "ModuleList"),
    oops("nn.ModuleDict({'a': nn.Linear(2, 3)})['b']", "b"),
    oops("nn.ModuleDict({'a': nn.Linear(2, 3)})(torch.zeros(2))", "ModuleDict"),
    oops("nn.ModuleDict([nn.Linear(2, 3)])", "Linear", "pairs"),
    oops("nn.ModuleDict({1: nn.Linear(2, 3)})", "int"),
    oops("nn.ModuleDict({'a.b': nn.Linear(2, 3)})", "a.b"),
    oops("nn.ModuleDict({'keys': nn.Linear(2, 3)})", "keys"),
    oops("nn.ModuleDict(a=nn.Linear(2, 3))", "'a'"),
    oops("nn.Module().register_parameter('w', torch.zeros(2))", "torch.FloatTensor"),
    oops("nn.Module().register_buffer('b', [1.0])", "list"),
    oops("nn.Module().register_buffer('a.b', torch.zeros(2))"),
    oops("nn.Sequential(nn.Linear(2, 1)).get_submodule('1')", "1"),
    oops("m = nn.Linear(2, 1); m.register_forward_hook(lambda m, x: None); m(torch.zeros(2))", "3"),
    oops("m = nn.Linear(2, 1); m.weight = [1.0, 2.0]", "list"),
    oops("m = nn.Linear(2, 1); m.weight[0, 0] = 1.0", "no_grad()"),
    oops("m = nn.Linear(2, 1); m.weight.data -= m.weight.grad", "NoneType"),
    oops(
        "class Net(nn.Module):\n"
        "    def __init__(self): self.w = nn.Parameter(torch.zeros(2))\n"
        "Net()",
        "super().__init__()",
    ),
    oops(
        "class Net(nn.Module):\n    def __init__(self): self.n = 3\nlist(Net().parameters())",
        "super().__init__()",
    ),
    oops(
        "class Net(nn.Module):\n    def __init__(self): self.n = 3\nNet()(torch.zeros(2))",
        "super().__init__()",
        own_words=PRIVATE,
    ),
    oops(
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super(Net).__init__()\n        self.f = nn.Linear(2, 1)\n"
        "Net()",
        "super().__init__()",
    ),
    oops(
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.fc = [nn.Linear(2, 1)]\n"
        "optim.SGD(Net().parameters(), lr=0.1)"
    ),
    oops(
        "class Net(nn.Module):\n    def forward(self, x): return self.fc(x)\nNet()(torch.ones(2))",
        "fc",
    ),
    oops("class Net(nn.Module):\n    def forward(x): return x\nNet()(torch.zeros(2))", "forward"),
    oops("class Net(nn.module): pass", "'module'", own_words=PYTHON),
    # --- initial values, and all parameters at once ---------------------------------------------
    oops("nn.init.uniform_([0.0])", "list"),
    oops("nn.init.uniform_(torch.zeros(2).long())", "Long"),
    oops("nn.init.uniform_(torch.zeros(2), 1.0, 0.0)", "from=1", "to=0"),
    oops("nn.init.uniform_(torch.zeros(2), 'a')", "str"),
    oops("nn.init.normal_(torch.zeros(2), 0.0, -1.0)", "-1"),
    oops("nn.init.constant_(torch.zeros(2), 'zero')", "str"),
    oops("nn.init.zeros_(nn.Linear(2, 1))", "Linear"),
    oops("nn.init.xavier_uniform_(nn.Linear(2, 1).bias)", "(1,)"),
    oops("nn.init.xavier_uniform_(nn.Linear(2, 1))", "Linear"),
    oops("nn.init.xavier_uniform_(torch.zeros(2, 2), nonlinearity='relu')", "nonlinearity"),
    oops("nn.init.kaiming_normal_(torch.zeros(3))", "(3,)"),
    oops("nn.init.kaiming_uniform_(nn.Linear(2, 1))", "Linear"),
    oops("nn.init.kaiming_normal_(torch.zeros(2, 2), nonlinearity='Relu')", "Relu", "leaky_relu"),
    oops("nn.init.kaiming_normal_(torch.zeros(2, 2), mode='fan_avg')", "fan_avg"),
    oops("nn.init.kaiming_uniform_(torch.zeros(2, 2), generator=0)", "int", "manual_seed"),
    oops("nn.init.calculate_gain('softmax')", "softmax", "leaky_relu"),
    oops("nn.init.xavier_(torch.zeros(2, 2))", "'xavier_'", own_words=PYTHON),
    oops(f"nn.utils.clip_grad_norm_({PARAMS})", "max_norm"),
    oops("nn.utils.clip_grad_norm_(nn.Linear(2, 1), 1.0)", "Linear"),
    oops("nn.utils.clip_grad_norm_([1.0], 1.0)", "float"),
    oops(f"nn.utils.clip_grad_norm_(1.0, {PARAMS})", "float"),
    oops(f"{X}; x.grad = torch.ones(2); nn.utils.clip_grad_norm_(x, 'one')", "one"),
    oops(
        f"{X}; x.grad = torch.tensor([math.nan, 1.0])\n"
        "nn.utils.clip_grad_norm_(x, 1.0, error_if_nonfinite=True)",
        "error_if_nonfinite=False",
    ),
    oops(f"nn.utils.clip_grad_value_({PARAMS})", "clip_value"),
    oops("nn.utils.parameters_to_vector([])"),
    oops(f"nn.utils.vector_to_parameters([1.0, 2.0, 3.0], {PARAMS})", "list"),
    oops(f"nn.utils.vector_to_parameters(torch.zeros(2), {PARAMS})", "[1]", "0"),
    # --- state dicts and files ------------------------------------------------------------------
    oops("nn.Linear(2, 1).load_state_dict('model.pt')", "str"),
    oops("nn.Linear(2, 1).load_state_dict(nn.Linear(2, 1))", "Linear", own_words=PYTHON),
    oops(f"nn.Linear(2, 1).load_state_dict({PARAMS})", "generator"),
    oops(
        "nn.Linear(2, 1).load_state_dict(nn.Sequential(nn.Linear(2, 1)).state_dict())",
        '"weight", "bias"',
        '"0.weight", "0.bias"',
    ),
    oops("nn.Linear(2, 1).load_state_dict({'weight': [[1.0, 2.0]], 'bias': [1.0]})", "list"),
    oops(
        "nn.Linear(2, 1).load_state_dict({'weight': torch.zeros(2)}, strict=False)", "[2]", "[1, 2]"
    ),
    oops("nn.Linear(2, 1).load_state_dict({'model': nn.Linear(2, 1).state_dict()})", '"model"'),
    oops("nn.BCEWithLogitsLoss(pos_weight=torch.ones(2)).load_state_dict({})", '"pos_weight"'),
    oops("torch.load('no_such_model.pt')", "no_such_model.pt"),
    oops("torch.load(nn.Linear(2, 1))", "Linear", "open(path, 'rb')"),
    oops("torch.save(torch.zeros(2), 'no/such/folder/model.pt')", "no/such/folder"),
    oops("torch.save(nn.Linear(2, 1).state_dict())", "'f'"),
    oops("torch.save('model.pt', nn.Linear(2, 1).state_dict())", "OrderedDict"),
    oops(
        "import io; f = io.BytesIO(); torch.save(nn.Linear(2, 1).state_dict(), f); f.seek(0)\n"
        "torch.load(f).eval()",
        "eval",
    ),
    oops(
        "import io; f = io.BytesIO(); torch.save(nn.Linear(2, 1).state_dict(), f); f.seek(0)\n"
        "nn.Linear(2, 2).load_state_dict(torch.load(f))",
        "[1, 2]",
        "[2, 2]",
    ),
    oops("nn.Linear(2, 1).save('model.pt')", "save"),
    # --- data sets and loaders ------------------------------------------------------------------
    oops("torch.utils.data.TensorDataset(torch.zeros(4, 2), torch.zeros(3))", "(4, 2)", "(3,)"),
    oops("torch.utils.data.TensorDataset(np.zeros((4, 2)), np.zeros(4))", "(4, 2)", "from_numpy"),
    oops("torch.utils.data.TensorDataset((torch.zeros(4, 2), torch.zeros(4)))", "tuple"),
    oops("torch.utils.data.TensorDataset(torch.tensor(1.0))"),
    oops(f"{ROWS}[4]", "4", "(4, 2)"),
    oops(f"torch.utils.data.DataLoader({ROWS}, batch_size=0)", "0"),
    oops(f"torch.utils.data.DataLoader({ROWS}, batch_size=2.0)", "2.0"),
    oops(f"torch.utils.data.DataLoader({ROWS}, batchsize=2)", "batchsize"),
    oops(f"torch.utils.data.DataLoader({ROWS}, 2, shuffle=True, sampler=range(4))"),
    oops(f"torch.utils.data.DataLoader({ROWS}, 2, batch_sampler=[[0, 1]])", "batch_size"),
    oops(f"torch.utils.data.DataLoader({ROWS}, batch_size=None, drop_last=True)"),
    oops(f"torch.utils.data.DataLoader({ROWS}, num_workers=-1)", "-1"),
    oops(f"torch.utils.data.DataLoader({ROWS}, 2, shuffle=True, seed=0)", "seed"),
    oops(
        f"list(torch.utils.data.DataLoader({ROWS}, 2, shuffle=True, generator=0))",
        "'generator' must be torch.Generator, not int",
        own_words=INTERNAL,
    ),
    oops(f"torch.utils.data.DataLoader({ROWS}, 2)[0]", "DataLoader"),
    oops(f"next(torch.utils.data.DataLoader({ROWS}, 2))", "DataLoader"),
    oops(f"torch.utils.data.DataLoader({ROWS}, 2).next()", "next"),
    oops(f"for x, y, z in torch.utils.data.DataLoader({ROWS}, 2): pass", "3"),
    oops(f"for x, y in torch.utils.data.DataLoader({ROWS}, 3): nn.Linear(3, 1)(x)", "3x2 and 3x1"),
    oops("torch.utils.data.DataLoader([], 2, shuffle=True)", "0"),
    oops("list(torch.utils.data.DataLoader([torch.zeros(2), torch.zeros(3)], 2))", "[2]", "[3]"),
    oops("list(torch.utils.data.DataLoader([None, None], 2))", "NoneType", "collate_fn"),
    oops("list(torch.utils.data.DataLoader([[1.0, 2.0], [3.0]], 2))", "[1, 2]", "collate_fn"),
    oops("list(torch.utils.data.DataLoader(5, 2))", "int"),
    oops("loader = torch.utils.data.DataLoader([1, 2], 2); loader.batch_size = 4", "batch_size"),
    oops("class Rows(torch.utils.data.Dataset): pass\nRows()[0]", "__getitem__"),
    oops(
        "class Rows(torch.utils.data.Dataset):\n    def __getitem__(self, i): return i\n"
        "torch.utils.data.DataLoader(Rows(), shuffle=True)",
        "Rows",
    ),
    oops("torch.utils.data.random_split(range(10), [7, 2])", "[7, 2]", "9", "10"),
    oops("torch.utils.data.random_split(range(10), [0.7, 0.2])", "[0.7, 0.2]", "10"),
    oops("torch.utils.data.random_split(range(10), [1.5, -0.5])", "1.5"),
    oops("torch.utils.data.random_split(range(10), 0.8)", "float"),
    oops("torch.utils.data.random_split(range(10), [8, 2], seed=42)", "seed"),
    oops(
        "torch.utils.data.random_split(range(10), [8, 2], generator=42)",
        "'generator' must be torch.Generator, not int",
        "manual_seed",
        own_words=INTERNAL,
    ),
    oops("torch.utils.data.random_split(range(10), [7.0, 3.0])", "float", own_words=INTERNAL),
    oops("torch.utils.data.Subset(range(10), 3)[0]", "int"),
    oops("torch.utils.data.RandomSampler(range(4), num_samples=0)", "num_samples=0"),
    oops("torch.utils.data.BatchSampler(range(4), 2)", "drop_last"),
    oops("torch.utils.data.ConcatDataset([])"),
    oops("torch.utils.data.Dataloader([1, 2])", "'Dataloader'", own_words=PYTHON),
    oops("torch.utils.DataLoader([1, 2])", "'DataLoader'", own_words=PYTHON),
    # --- random numbers -------------------------------------------------------------------------
    oops("torch.rand(2, generator=0)", "torch.Generator, not int", own_words=INTERNAL),
    oops("torch.randn(2, generator=5)", "torch.Generator, not int", own_words=INTERNAL),
    oops("torch.randint(3, (2,), generator=0)", "torch.Generator, not int", own_words=INTERNAL),
    oops("torch.randperm(3, generator=False)", "torch.Generator, not bool", own_words=INTERNAL),
    oops("torch.bernoulli(torch.zeros(2), generator=0)", "torch.Generator", own_words=INTERNAL),
    oops("torch.zeros(2).uniform_(generator=0)", "manual_seed"),
    oops("torch.zeros(2).normal_(generator=5)", "manual_seed"),
    oops("torch.rand(2, seed=0)", "seed", own_words=INTERNAL),
    oops("torch.Generator(seed=0)", "seed", own_words=PYTHON),
    oops("torch.Generator().manual_seed('0')", "str"),
    oops("torch.manual_seed(2**64)"),
    oops("torch.set_rng_state(42)", "int"),
    oops("torch.set_rng_state(torch.zeros(3).byte())", "3"),
    oops("torch.bernoulli(torch.tensor([2.0]))", "2.0"),
    # --- gradients: backward, functions of one's own, derivatives of functions -------------------
    oops(f"{X}; loss = (x * x).sum(); loss.backward(); loss.backward()", "retain_graph=True"),
    oops(f"{X}; y = (x * x).sum(); torch.autograd.grad(y, x); torch.autograd.grad(y, x)"),
    oops(f"{X}; y = x.sigmoid(); y.mul_(2); y.sum().backward()", "version 1; expected version 0"),
    oops(
        f"{X}; w = torch.ones(2, requires_grad=True); y = (x * w).sum()\n"
        "with torch.no_grad(): w -= 1\ny.backward()",
        "[torch.FloatTensor [2]]",
        "The last write was at",
    ),
    oops(f"{X}; x -= 0.1 * x", "no_grad()"),
    oops(f"{X}; x.zero_()", "no_grad()"),
    oops(f"{X}\nwith torch.no_grad(): y = (x * x).sum()\ny.backward()", "no_grad()"),
    oops(f"{X}; x.detach().sum().backward()", "requires_grad=True"),
    oops(f"{X}; x.sum().backward(torch.ones(2))", "[2]", "[]"),
    oops(f"{X}; x.sum().backward(1.0)", "float", "tensor"),
    oops(f"{X}; torch.autograd.grad([x.sum(), x.sum()], x, torch.tensor(1.0))", "2 tensors", "1"),
    oops(f"{X}; torch.autograd.grad(x * 2, x)", "(2,)"),
    oops(f"{X}; torch.autograd.grad(x.sum(), 'x')", "str"),
    oops(f"{X}; torch.autograd.grad(x.sum(), x + 1)", "(2,)", "allow_unused=True"),
    oops(f"{X}; (g,) = torch.autograd.grad((x**2).sum(), x); g.sum().backward()"),
    oops(f"{X}; x.grad = 0", "int"),
    oops(f"{X}; np.array(x)", "detach().numpy()"),
    oops(f"{X}; x += [1.0, 1.0]", "list"),
    *(
        oops(
            "class Double(torch.autograd.Function):\n"
            f"    @staticmethod\n    def forward(ctx, x): {forward}\n"
            f"    @staticmethod\n    def backward(ctx, g): {backward}\n"
            f"{X}; Double.apply(x).sum().backward()",
            *shows,
        )
        for forward, backward, *shows in [
            ("return x * 2", "return g, g", "expected 1, got 2"),
            ("return x * 2", "return torch.ones(3)", "[3]", "[2]"),
            ("return x * 2", "return 2.0", "float"),
            ("ctx.save_for_backward(2.0); return x * 2", "return g * 2", "float", "ctx.name"),
            ("ctx.save_for_backward(x); return x * 2", "return g * ctx.x", "ctx.saved_tensors"),
        ]
    ),
    oops(
        "class Mine(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, x): return x * 2\n"
        f"{X}; Mine.apply(x).sum().backward()",
        "backward",
    ),
    oops("class Mine(torch.autograd.Function): pass\nMine.apply(torch.ones(2))", "forward"),
    oops("class Mine(torch.autograd.Function): pass\nMine()(torch.ones(2))", "Mine.apply()"),
    oops("torch.autograd.functional.jacobian(lambda x: 2.0, torch.ones(2))", "float"),
    oops("torch.autograd.functional.jacobian(lambda x: [x, x], torch.ones(2))", "list"),
    oops("torch.autograd.functional.jacobian(lambda x: x * 2, [1.0, 2.0])", "list"),
    oops("torch.autograd.functional.jacobian(lambda x: x, torch.tensor([1, 2]))", "int64"),
    oops("torch.autograd.functional.hessian(lambda x: x * x, torch.ones(2))", "(2,)"),
    oops("torch.autograd.functional.hvp(lambda x: (x * x).sum(), torch.ones(2))", "(2,)"),
    oops("torch.autograd.functional.vjp(torch.exp, torch.ones(2), torch.ones(3))", "[2]", "[3]"),
    oops("torch.autograd.functional.jvp(torch.exp, torch.ones(2), [1.0, 1.0])", "list"),
    oops("torch.autograd.jacobian(torch.exp, torch.ones(2))", "'jacobian'", own_words=PYTHON),
    oops(
        "x = torch.zeros(2, requires_grad=True)\n"
        "with torch.autograd.detect_anomaly(): (torch.sqrt(x) * 0).sum().backward()",
        "SqrtBackward0",
        "line 2",
    ),
    oops(
        "x = torch.zeros(2, requires_grad=True)\n"
        "with torch.autograd.detect_anomaly(): torch.where(x > 0, x.log(), 0.0).sum().backward()",
        "LogBackward0",
    ),
    oops(
        "with torch.inference_mode(): x = torch.ones(2)\n"
        "(x * torch.ones(2, requires_grad=True)).sum().backward()",
        "no_grad()",
    ),
    oops("torch.set_grad_enabled('no')", "str"),
    # --- devices and dtypes ---------------------------------------------------------------------
    oops("nn.Linear(2, 1).cuda()", "CPU"),
    oops("nn.Linear(2, 1).to('cuda')", "is_available()"),
    oops("torch.zeros(2).cuda()", "CPU"),
    oops("torch.zeros(2, device='cuda')", "CPU"),
    oops("torch.zeros(2).to('gpu')", "gpu"),
    oops("torch.zeros(2).to('float64')", "float64"),
    oops("torch.zeros(2).type('float')", "'float'", "torch.FloatTensor"),
    oops("nn.Linear(2, 1).to(torch.long)", "int64"),
    oops("torch.set_default_dtype('float64')", "float64"),
    oops("torch.zeros(2).astype('float32')", "astype"),
    # --- names of neither engine ----------------------------------------------------------------
    *(
        oops(code, repr(code.rpartition(".")[2]), own_words=PYTHON)
        for code in (
            "nn.Dense nn.relu nn.linear nn.Relu nn.CrossEntropy nn.DropOut nn.BatchNorm1D F.ReLU "
            "F.accuracy torch.Linear torch.array torch.no_grads torch.cuda.is_avaliable "
            "optim.lr_schedular nn.init.he_normal_ nn.utils.clip_gradient_norm_"
        ).split()
    ),
]

NOT_HERE = (
    "nn.Conv2d nn.LSTM nn.Embedding nn.Transformer nn.MultiheadAttention nn.BatchNorm2d "
    "nn.LayerNorm nn.GELU nn.DataParallel nn.KLDivLoss nn.init.orthogonal_ nn.utils.weight_norm "
    "F.conv2d F.interpolate optim.RMSprop optim.AdamW optim.lr_scheduler.ReduceLROnPlateau "
    "torch.einsum torch.fft torch.export torch.jit torch.distributed torch.cuda.amp "
    "torch.autograd.profiler torch.autograd.forward_ad torch.utils.checkpoint "
    "torch.utils.data.WeightedRandomSampler"
).split()
"""What torch has and this engine leaves to it."""


def recorded() -> dict[str, list[str]]:
    return json.loads(RECORD.read_text(encoding="utf-8"))["answers"]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.code)
def test_answers_as_torch(mistake: Mistake) -> None:
    kind, sentence = recorded()[mistake.code]
    ours = outcome(tinygrad_cls, mistake.code)
    assert ours.error == kind, f"torch: {kind}: {sentence}\nours:  {ours.error}: {ours.message}"
    if not mistake.own_words:
        assert begins(ours.message, sentence)
    for shown in mistake.shows:
        assert shown in ours.message


@pytest.mark.parametrize("code", NOT_HERE)
def test_a_name_left_to_torch_says_what_this_engine_is_for(code: str) -> None:
    ours = outcome(tinygrad_cls, code)
    assert ours.error == "AttributeError"
    assert repr(code.rpartition(".")[2]) in ours.message
    assert "this engine is for small classifiers" in ours.message


@pytest.mark.needs_torch
@pytest.mark.parametrize("code", NOT_HERE)
def test_a_name_left_to_torch_is_torchs(code: str) -> None:
    assert not outcome(pytorch(), code).error


def test_the_table_is_recorded_whole() -> None:
    assert [m.code for m in MISTAKES] == [*recorded()]


@pytest.mark.needs_torch
def test_the_record_is_what_torch_says() -> None:
    version = json.loads(RECORD.read_text(encoding="utf-8"))["torch"]
    if pytorch().__version__.split(".")[:2] != version.split(".")[:2]:
        pytest.skip(f"the record is of PyTorch {version}")
    if pytorch().cuda.is_available():
        pytest.skip("the record is of a machine without a GPU")
    assert torch_answers() == recorded()


def torch_answers() -> dict[str, list[str]]:
    """What torch raises for every mistake: type and first sentence."""
    answers = {}
    for mistake in MISTAKES:
        theirs = outcome(pytorch(), mistake.code)
        assert theirs.error, f"torch accepts {mistake.code}"
        answers[mistake.code] = [theirs.error, first_sentence(theirs.message)]
    return answers


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit(__doc__)
    content = {"torch": pytorch().__version__, "answers": torch_answers()}
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{RECORD}: {len(MISTAKES)} answers of PyTorch {content['torch']}")
