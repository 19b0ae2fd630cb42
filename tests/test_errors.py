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
MISSING = "Python says it itself: missing 1 required positional argument: 'dim'"

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
]


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


def test_the_table_is_recorded_whole() -> None:
    assert [m.code for m in MISTAKES] == [*recorded()]


@pytest.mark.needs_torch
def test_the_record_is_what_torch_says() -> None:
    version = json.loads(RECORD.read_text(encoding="utf-8"))["torch"]
    if pytorch().__version__.split(".")[:2] != version.split(".")[:2]:
        pytest.skip(f"the record is of PyTorch {version}")
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
