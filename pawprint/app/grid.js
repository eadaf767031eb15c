// A page of photos that are labelled together. The marked photos and their class are sent to the
// server once per page. Keys: a letter marks or unmarks a photo, and with Shift enlarges it; a digit
// gives a class, Enter the suggested one; + moves to the text field, Space skips, Backspace unmarks
// all, a full stop marks all, u undoes the last page, g switches between a page and a single photo.
// If `data.parts` says of each label whether the only photo shows it, a digit changes that.
// Digits are identified by event.code, because some keyboards need Shift to type them.
const LETTERS = "abcdefhijklmnopqrstvwxyz";
const NEITHER = "none";

export default function ({ data, parentElement, setTriggerValue }) {
  parentElement.querySelector(".page")?.remove();
  const page = add(parentElement, "div", { className: "page" });
  page.dataset.number = data.page;
  const noun = data.neither ? "class" : "label";
  const single = data.photos.length === 1 && data.single;
  // Streamlit may draw the same page again, for example when a photo is enlarged. Keep its state.
  const before = parentElement.pawprintState;
  const isSame = before?.page === data.page && before.first === data.photos[0]?.alt;
  const state = isSame ? before : startOf(data);
  parentElement.pawprintState = state;
  const { marked } = state;
  let sent = false;

  const controls = add(page, "div", { className: "controls" });
  const classes = add(controls, "div", { className: "bar", role: "group", ariaLabel: "Class" });
  const keyOf = (index) => (index < 9 ? String(index + 1) : "");
  const answers = data.parts ? data.classes.flatMap(answerButtons) : [];
  const buttons = data.parts ? [] : data.classes.map((name, index) => classButton(name, name, keyOf(index)));
  if (data.neither) buttons.push(classButton(NEITHER, "None of them", "0"));
  for (const [, , button] of buttons) button.disabled = !data.photos.length;
  const field = typeField();

  const actions = add(controls, "div", { className: "bar" });
  const save = action("Enter", "", () => give(answer()));
  const skip = action("Space", "Skip", () => send([]));
  skip.title = "Leaves these photos without a label for now and shows them again later.";
  const none = single ? null : action("⌫", "Unmark all", () => markAll(false));
  none?.setAttribute("aria-keyshortcuts", "Backspace");
  const all = single ? null : action(".", "Mark all", () => markAll(true));
  const undo = action("u", "Undo", () => ask("undo"));
  undo.disabled = !data.undo;
  const change = data.walk ? null : action("g", single ? "A page of photos" : "One by one", () => ask("change"));
  for (const each of [save, skip, none, all]) if (each) each.disabled = !data.photos.length;

  const line = add(controls, "div", { className: "line" });
  const status = add(line, "p", { className: "status", role: "status" });
  add(line, "p", { className: "done", textContent: data.done });
  const grid = add(page, "div", { role: "group", ariaLabel: "Photos" });
  grid.className = single ? "photos single" : "photos";
  const photos = data.photos.map(photoButton);
  if (data.beside) showBeside(data.beside);
  const dialog = add(page, "dialog", { className: "large", tabIndex: -1, autofocus: true });
  dialog.onclose = () => (state.large = null);
  show();
  // Stay open if the server answers for an earlier photo. Otherwise, keys would act on the page.
  if (state.large !== null) open(state.large, data.large?.photo === state.large ? data.large : small(state.large));

  function classButton(name, text, key) {
    const button = add(classes, "button", { className: "class", type: "button" });
    withKey(button, key, text);
    button.onclick = () => give(name);
    return [name, key, button];
  }

  function answerButtons(name, index) {
    const row = add(classes, "div", { className: "answer", role: "group", ariaLabel: name });
    withKey(add(row, "span", {}), keyOf(index), name);
    const texts = { [name]: "Yes", [`not ${name}`]: "No", [`${name}?`]: "?" };
    return Object.entries(texts).map(([part, textContent]) => {
      const button = add(row, "button", { type: "button", textContent, title: part, ariaLabel: part });
      button.onclick = (event) => {
        if (event.detail) button.blur();
        decide(index, part);
      };
      return [part, button];
    });
  }

  function decide(index, part) {
    state.parts[index] = part;
    show();
  }

  function answer() {
    if (!data.parts) return field?.value.trim() || data.label;
    // Somebody else may have answered meanwhile what is still open here.
    return state.parts.filter((part, index) => !part.endsWith("?") || part !== data.parts[index]).join("|");
  }

  function typeField() {
    if (data.parts || (!data.new && data.classes.length <= 9)) return null;
    const name = data.new ? "New class" : "Class";
    const box = add(classes, "label", { className: "field" });
    add(box, "kbd", { textContent: "+", ariaHidden: "true" });
    const input = add(box, "input", { ariaLabel: name, maxLength: 80, placeholder: name, value: state.text });
    const list = add(box, "datalist", { id: "pawprint-classes" });
    data.classes.slice(9).forEach((value) => add(list, "option", { value }));
    input.setAttribute("list", list.id);
    input.setAttribute("aria-keyshortcuts", "+");
    input.oninput = () => {
      state.text = input.value;
      show();
    };
    return input;
  }

  function action(key, text, take) {
    const button = add(actions, "button", { type: "button" });
    withKey(button, key, text);
    button.onclick = (event) => {
      if (event.detail) button.blur(); // clicked with the mouse: Space and Enter act on the page again
      take();
    };
    return button;
  }

  function photoButton({ src, alt }, index) {
    const cell = add(grid, "div", { className: "cell" });
    const button = add(cell, "button", { className: "photo", type: "button", title: alt });
    add(button, "img", { src, alt });
    if (single) {
      add(cell, "p", { className: "name", textContent: alt });
      return button;
    }
    add(button, "kbd", { textContent: LETTERS[index], ariaHidden: "true" });
    button.onclick = (event) => {
      if (event.detail) button.blur();
      toggle(index);
    };
    const zoom = add(cell, "button", { className: "zoom", type: "button", textContent: "⤢" });
    zoom.ariaLabel = `Larger: ${alt}`;
    zoom.onclick = () => enlarge(index);
    return button;
  }

  function showBeside({ src, alt }) {
    const cell = add(grid, "div", { className: "cell" });
    add(cell, "img", { className: "beside", src, alt });
    add(cell, "p", { className: "name", textContent: `Near-duplicate: ${alt}` });
  }

  function toggle(index) {
    marked.has(index) ? marked.delete(index) : marked.add(index);
    show();
  }

  function markAll(isMarked) {
    marked.clear();
    if (isMarked) photos.forEach((_, index) => marked.add(index));
    show();
  }

  function show(text) {
    buttons.forEach(([name, , button]) => (button.ariaPressed = String(name === data.label)));
    if (!single) photos.forEach((button, index) => (button.ariaPressed = String(marked.has(index))));
    answers.forEach(([part, button]) => (button.ariaPressed = String(state.parts.includes(part))));
    const label = answer();
    save.classList.toggle("save", Boolean(label)); // it has nothing to give before
    save.lastChild.textContent = data.parts ? "Save" : label ? `Give ${label}` : `Give a ${noun}`;
    status.textContent = text || describe(label);
  }

  function describe(label) {
    if (!photos.length) return "";
    if (data.parts) return `${data.photos[0].about} A digit changes a label, Enter saves.`;
    if (single) return `${data.photos[0].about} ` + (label ? `Enter gives ${label}.` : "What does the photo show?");
    if (!marked.size) return "No photo is marked. Mark some, or press Space to see them again later.";
    const count = `${marked.size} of ${photos.length} marked`;
    const isTouch = matchMedia("(hover: none)").matches;
    const keys = "A click or a letter marks or unmarks a photo; Shift and the letter, or ⤢, shows it large.";
    const how = isTouch ? "A tap marks or unmarks a photo; ⤢ shows it large." : keys;
    return label ? `${count}: ${label}? ${how}` : `${count}: what do they show? ${how}`;
  }

  function give(label) {
    if (!photos.length) return;
    const open = data.asked?.find((name) => state.parts.includes(`${name}?`));
    if (open) show(`Does the photo show ${open}? Press its digit, or Space to skip the photo.`);
    else if (!marked.size) show();
    else if (label) send([...marked], label);
    else {
      show(`Which ${noun}? Press its digit${field ? ", or type its name" : ""}.`);
      field?.focus();
    }
  }

  function send(photos, label = "") {
    ask("answer", { label, marked: photos });
  }

  function ask(name, value = {}) {
    if (sent || (name === "undo" && undo.disabled)) return;
    sent = true;
    page.querySelectorAll("button, input").forEach((each) => (each.disabled = true));
    status.textContent = "Saving …";
    setTriggerValue(name, { page: data.page, ...value });
  }

  function enlarge(index) {
    if (sent || index < 0 || index >= photos.length) return;
    state.large = index;
    open(index, small(index));
    setTriggerValue("large", { page: data.page, photo: index });
  }

  function small(index) {
    return { src: data.photos[index].src, name: data.photos[index].alt };
  }

  function open(index, { src, name }) {
    dialog.replaceChildren();
    dialog.ariaLabel = name;
    add(dialog, "img", { src, alt: name });
    add(dialog, "p", { className: "name", textContent: name });
    const bar = add(dialog, "div", { className: "bar" });
    const buttonOf = (key, text, onclick) => withKey(add(bar, "button", { type: "button", onclick }), key, text);
    buttonOf("←", "Previous", () => enlarge(index - 1));
    buttonOf("→", "Next", () => enlarge(index + 1));
    buttonOf("Space", marked.has(index) ? "Unmark" : "Mark", () => {
      toggle(index);
      dialog.close();
    });
    buttonOf("Esc", "Close", () => dialog.close());
    if (!dialog.open) dialog.showModal();
    dialog.focus(); // otherwise, Space would press the button that the browser focuses
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    const target = event.composedPath()[0];
    if (dialog.open ? pressLarge(event, target) : pressOnPage(event, target)) {
      event.preventDefault();
      event.stopPropagation(); // Streamlit has its own keys
    }
  }

  function pressLarge(event, target) {
    const index = state.large;
    if (event.key === "ArrowLeft") enlarge(index - 1);
    else if (event.key === "ArrowRight") enlarge(index + 1);
    else if (event.key === " " && target === dialog) {
      toggle(index);
      dialog.close();
    } else return !["Escape", "Tab", "Enter", " "].includes(event.key);
    return true;
  }

  // Returns whether the page used the key.
  function pressOnPage(event, target) {
    const key = event.key.toLowerCase();
    const inside = page.contains(target);
    if (target === field) return pressInField(event);
    if (!inside && !leavesKeys(target, key)) return false;
    const isControl = inside && target.matches("button:focus-visible");
    if (isControl && (key === " " || (key === "enter" && !target.matches(".photo")))) return false;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    const found = digit && buttons.find(([, shortcut]) => shortcut === digit);
    const name = data.parts && data.classes[digit - 1];
    if (found) give(found[0]);
    else if (name) decide(digit - 1, state.parts[digit - 1] === name ? `not ${name}` : name);
    else if (digit) return false;
    else if (key === "enter") give(answer());
    else if ((key === "+" || key === "=") && field) field.focus();
    else if (key === " ") skip.click();
    else if (key === "backspace" && none) none.click();
    else if (key === "." && all) all.click();
    else if (key === "u") undo.click();
    else if (key === "g" && change) change.click();
    else return pressLetter(event, LETTERS.indexOf(key));
    return true;
  }

  function pressInField(event) {
    if (event.key === "Escape") field.blur();
    else if (event.key === "Enter") give(answer());
    else return false;
    return true;
  }

  function pressLetter(event, index) {
    if (single || event.key.length !== 1 || !(index in photos)) return false;
    event.shiftKey ? enlarge(index) : toggle(index);
    return true;
  }

  const stop = () => window.removeEventListener("keydown", press, true);
  parentElement.pawprintStop?.(); // of the previous page, which Streamlit may not have ended
  parentElement.pawprintStop = stop;
  window.addEventListener("keydown", press, true);
  return stop;
}

function startOf(data) {
  const sure = data.photos.length === 1 ? 1 : data.sure; // a key for the only photo means that photo
  const marked = new Set(data.photos.slice(0, sure).keys());
  return { page: data.page, first: data.photos[0]?.alt, marked, text: "", large: null, parts: data.parts?.slice() };
}

// Returns whether the focused element, outside the page, does not use this key. An example is a tab
// that was clicked.
function leavesKeys(target, key) {
  if (target.matches("input, select, textarea, [contenteditable], [role=combobox], [role=dialog] *")) return false;
  const acts = key === "enter" || key === " ";
  return !acts || !target.matches("a, button, summary, [role=radio]") || target.matches("[role=tab][aria-selected=true]");
}

function add(parent, name, properties) {
  const element = Object.assign(document.createElement(name), properties);
  if (properties.role) element.setAttribute("role", properties.role);
  parent.append(element);
  return element;
}

function withKey(button, key, text) {
  if (key) button.setAttribute("aria-keyshortcuts", key);
  if (key) add(button, "kbd", { textContent: key, ariaHidden: "true" });
  button.append(text);
  if (!text) button.append(document.createTextNode(""));
  return button;
}
