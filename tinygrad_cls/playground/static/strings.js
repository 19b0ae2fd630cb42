// Every text of the page, in English and in Korean, and the switch between them.

const TEXTS = {
  accuracy: ["Accuracy", "정확도"],
  active: ["active for {active} of {of} training points", "훈련 점 {of}개 중 {active}개에서 활성"],
  "activation.leaky_relu": ["leaky ReLU", "leaky ReLU"],
  "activation.none": ["none", "없음"],
  "activation.relu": ["ReLU", "ReLU"],
  "activation.sigmoid": ["sigmoid", "시그모이드"],
  "activation.tanh": ["tanh", "tanh"],
  "add.layer": ["+ layer", "+ 층"],
  "add.layer.label": ["Add a hidden layer", "은닉층 추가"],
  batch: ["Batch size", "배치 크기"],
  "batch.title": ["0: all training points in every step", "0: 매 단계에 훈련 점 전부 사용"],
  cancel: ["Cancel", "취소"],
  "chart.accuracy": ["Accuracy (%)", "정확도 (%)"],
  "chart.difference": ["Difference", "상대 차이"],
  "chart.equal": ["equal to the last bit so far", "지금까지 마지막 비트까지 같음"],
  "chart.gradient": ["Gradient norm", "기울기 노름"],
  "chart.loss": ["Loss", "손실"],
  "chart.ratio": ["Update / weight", "갱신량 / 가중치"],
  "chart.reference": ["Loss", "손실"],
  "chart.tolerance": ["tolerance of the loss", "손실의 허용 오차"],
  class: ["class {name}", "클래스 {name}"],
  close: ["Close", "닫기"],
  "compare.data": ["Data", "데이터"],
  "compare.engine": ["NumPy | PyTorch", "NumPy | PyTorch"],
  "compare.linear": ["linear | ReLU", "선형 | ReLU"],
  "compare.lr": ["lr 0.1 | lr 0.3", "lr 0.1 | lr 0.3"],
  "compare.mine": ["Train's recipe | lr × 3", "훈련 화면의 설정 | 학습률 × 3"],
  "compare.pairs": ["What to compare", "비교 대상"],
  copied: ["Copied", "복사했습니다"],
  "copied.not": ["Copying is not allowed here: select the text and copy it.", "복사할 수 없습니다. 텍스트를 선택해 복사하세요."],
  copy: ["Copy", "복사"],
  cost: ["{us} µs per step", "단계당 {us} µs"],
  "cost.fps": [" · {fps} frames/s", " · 초당 {fps} 프레임"],
  count: ["Step", "단계"],
  data: ["Data", "데이터"],
  "data.blobs": ["Blobs", "네 무리"],
  "data.circles": ["Circles", "두 원"],
  "data.csv": ["Own", "내 데이터"],
  "data.moons": ["Moons", "두 달"],
  "data.spiral": ["Spiral", "나선"],
  "data.xor": ["XOR", "XOR"],
  data_seed: ["Data seed", "데이터 시드"],
  dead: ["dead: 0 of {of} active", "죽음: {of}개 중 0개 활성"],
  "dead.count": [
    "{n} dead of {of} hidden neurons: 0 for every training point, so no gradient reaches their weights",
    "은닉 뉴런 {of}개 중 {n}개가 죽음: 모든 훈련 점에서 0이라 가중치에 기울기가 오지 않음",
  ],
  diverged: [
    "Diverged at step {step}: the loss is no longer a finite number. Each step overshot and made the next gradient larger.",
    "{step}단계에서 발산: 손실이 더 이상 유한한 수가 아닙니다. 매 단계가 지나치게 커서 다음 기울기를 더 키웠습니다.",
  ],
  "diverged.kept": ["The picture is the last finite one.", "그림은 마지막 유한한 상태입니다."],
  "difference.gradients": ["gradients", "기울기"],
  "difference.loss": ["loss", "손실"],
  "difference.parameters": ["weights", "가중치"],
  "diverged.lower": ["Try learning rate {lr}", "학습률 {lr}로 다시"],
  download: ["Download", "내려받기"],
  dtype: ["Numbers", "수 형식"],
  edges: ["Width of the edges", "선의 굵기"],
  "edges.gradients": ["|gradient|", "|기울기|"],
  "edges.weights": ["|weight|", "|가중치|"],
  "edge.gradient": ["gradient", "기울기"],
  "edge.weight": ["weight", "가중치"],
  gone: [
    "The server does not answer: was it stopped? The page keeps what it shows.",
    "서버가 응답하지 않습니다. 종료되었나요? 화면의 내용은 그대로 남습니다.",
  ],
  init: ["Initial weights", "초기 가중치"],
  "init.zeros": ["zeros", "0"],
  language: ["Language", "언어"],
  layer: ["Layer {n}", "{n}층"],
  linear: ["linear", "선형"],
  link: ["Link", "링크"],
  "link.broken": [
    "This link's recipe cannot be read ({detail}): the default recipe is used.",
    "링크의 설정을 읽을 수 없습니다({detail}). 기본 설정을 씁니다.",
  ],
  "link.copied": ["Link copied: it holds the whole recipe.", "링크를 복사했습니다. 설정 전체가 담겨 있습니다."],
  "link.csv": [
    "This link's data were the sender's own, which a link does not carry: paste them under “Own data”.",
    "이 링크의 데이터는 보낸 사람의 것이라 링크에 들어 있지 않습니다. ‘내 데이터’에 붙여 넣으세요.",
  ],
  "link.title": ["Copy a link to this recipe", "이 설정의 링크 복사"],
  "link.version": [
    "This link is from another version of the playground (v={detail}; this is v=1): the default recipe is used.",
    "다른 버전의 링크입니다(v={detail}, 여기는 v=1). 기본 설정을 씁니다.",
  ],
  loss: ["Loss", "손실"],
  "loss.bce": ["BCE with logits", "로짓 BCE"],
  "loss.cross_entropy": ["Softmax cross-entropy", "소프트맥스 교차 엔트로피"],
  lr: ["Learning rate", "학습률"],
  map: [
    "Map of the decision. Arrow keys move a cross that reads the probability.",
    "결정 지도. 화살표 키로 십자를 움직여 확률을 읽습니다.",
  ],
  momentum: ["Momentum", "모멘텀"],
  network: ["Network", "신경망"],
  neuron: ["Layer {layer}, neuron {unit}", "{layer}층 뉴런 {unit}"],
  "neuron.output": ["Output {unit}", "출력 {unit}"],
  "neuron.hint": [
    "Click a neuron: its formula, and its line on the map. Warm: positive; cool: negative.",
    "뉴런을 누르면 식과 지도 위의 선이 보입니다. 따뜻한 색은 양수, 차가운 색은 음수입니다.",
  ],
  "neuron.line": ["bold on the map: where its weighted sum is 0", "지도 위 굵은 선: 가중합이 0인 곳"],
  "neuron.noline": ["its weighted sum is nowhere 0 on this map", "이 지도에서 가중합이 0인 곳이 없음"],
  noise: ["Noise", "잡음"],
  one: ["Train one step", "한 단계 훈련"],
  "one.key": ["One step (S)", "한 단계 (S)"],
  output: ["Decision", "결정"],
  own: ["Own data (CSV)", "내 데이터 (CSV)"],
  "own.example": ["Fill in an example", "예시 채우기"],
  "own.file": ["A file", "파일"],
  "own.help": [
    "One point a line, comma-separated: numbers, and the class in the last column. The first line may name the columns. At most 5,000 points; they stay on this machine.",
    "한 줄에 점 하나, 쉼표로 구분: 수들과 마지막 열의 클래스. 첫 줄은 열 이름이어도 됩니다. 최대 5,000점이며 이 컴퓨터를 벗어나지 않습니다.",
  ],
  "own.text": ["or paste", "또는 붙여 넣기"],
  "own.use": ["Use these points", "이 점들 사용"],
  "pane.activation": ["Activation", "활성화 함수"],
  "part.test": ["Test", "테스트"],
  "part.train": ["Training", "훈련"],
  pause: ["Pause", "일시 정지"],
  play: ["Play", "재생"],
  "play.key": ["Play or pause (space)", "재생 또는 일시 정지 (스페이스)"],
  playground: ["playground", "플레이그라운드"],
  presets: ["Presets", "프리셋"],
  "preset.blobs": ["Four blobs, ReLU", "네 무리, ReLU"],
  "preset.circles-linear": ["Circles, linear", "두 원, 선형"],
  "preset.circles-relu": ["Circles, ReLU", "두 원, ReLU"],
  probability: ["({x}, {y}): {list}", "({x}, {y}): {list}"],
  "reference.live": ["live", "실시간"],
  "reference.none": ["PyTorch is not installed: pip install torch", "PyTorch가 없습니다: pip install torch"],
  "reference.recorded": ["recorded", "기록"],
  "reference.behind": ["PyTorch is {n} steps behind", "PyTorch가 {n}단계 뒤처짐"],
  "remove.layer": ["Remove layer {n}", "{n}층 제거"],
  reset: ["Reset", "처음으로"],
  "reset.key": ["Back to step 0 (R)", "0단계로 (R)"],
  restart: ["Restart the run", "다시 시작"],
  retry: ["Try again", "다시 시도"],
  "run.lost": [
    "The server no longer has this run (it keeps 16, or was restarted).",
    "서버에 이 실행이 더는 없습니다(16개까지 보관하거나 서버가 다시 시작됨).",
  ],
  samples: ["Points", "점 개수"],
  script: ["Script", "스크립트"],
  "script.engine": ["Engine", "엔진"],
  "script.heading": ["This run as a script", "이 실행의 스크립트"],
  "script.help": [
    "Runs as it is and prints this page's numbers up to the step shown.",
    "그대로 실행되며, 지금 단계까지 이 화면의 수를 출력합니다.",
  ],
  "script.title": ["The recipe as a Python script", "설정을 파이썬 스크립트로"],
  seed: ["Seed", "시드"],
  show: ["Points shown", "보이는 점"],
  "show.neuron": ["{name}: show formula and line", "{name}: 식과 선 보기"],
  skip: ["Skip to the controls", "조작부로 건너뛰기"],
  speed: ["Steps per frame", "프레임당 단계"],
  "state.diverged": ["diverged", "발산"],
  "state.playing": ["training", "훈련 중"],
  "state.hidden": ["waiting", "대기 중"],
  "state.paused": ["paused at step {step}", "{step}단계에서 멈춤"],
  "step.four": ["First 4", "처음 4개"],
  "step.help": [
    "Backward through one small batch, with the weights of step {step}.",
    "{step}단계의 가중치로 작은 배치 하나를 역전파합니다.",
  ],
  "step.missing": ["The stepper cannot be shown: {why}", "스테퍼를 보일 수 없습니다: {why}"],
  "step.open": ["Step through", "단계별로 보기"],
  "step.random": ["4 at random", "무작위 4개"],
  "step.range": [
    "Give 1 to 16 whole numbers from 0 to {most}, separated by commas.",
    "0부터 {most}까지의 정수 1~16개를 쉼표로 구분해 적으세요.",
  ],
  "step.samples": ["Training points, by number (1 to 16 of them)", "훈련 점 번호 (1~16개)"],
  "step.wrong": ["4 misclassified", "틀린 4개"],
  "step.wrong.none": ["None is misclassified.", "틀린 점이 없습니다."],
  "tab.compare": ["Compare", "비교"],
  "tab.step": ["Step through backward", "역전파 한 단계씩"],
  "tab.train": ["Train", "훈련"],
  tabs: ["Screens", "화면"],
  test: ["Test share", "테스트 비율"],
  theme: ["Light or dark", "밝게 또는 어둡게"],
  units: ["Neurons in layer {n}", "{n}층 뉴런 수"],
  "units.fewer": ["One neuron fewer in layer {n}", "{n}층 뉴런 하나 줄이기"],
  "units.more": ["One neuron more in layer {n}", "{n}층 뉴런 하나 늘리기"],
  activation: ["Activation of layer {n}", "{n}층 활성화 함수"],
};

const LANGUAGES = ["en", "ko"];
const listeners = new Set();

let language = LANGUAGES[0];

// The text of `key`, with {names} filled in.
export function t(key, values = {}) {
  const text = TEXTS[key]?.[LANGUAGES.indexOf(language)] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

export const currentLanguage = () => language;
export const onLanguage = (listener) => listeners.add(listener);

export function setLanguage(name) {
  language = LANGUAGES.includes(name) ? name : LANGUAGES[0];
  document.documentElement.lang = language;
  translate(document);
  for (const listener of listeners) listener();
}

// What this browser asked for last time, or its own language.
export function preferredLanguage() {
  return localStorage.getItem("language") ?? navigator.language.slice(0, 2);
}

// Fills in every element that names a text: its content, its label, its tooltip.
export function translate(root) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", t(node.dataset.label));
  }
  for (const node of root.querySelectorAll("[data-title]")) node.title = t(node.dataset.title);
}
