// A page of photos that get a class together. All are marked; the server hears of one answer.
// Keys: letters mark photos, digits choose a class, Enter gives it, - marks all or none, u takes
// the last page back, g changes between a page and one photo.
const LETTERS = "abcdefhijklmnopqrstvwxyz";

export default function ({ data, parentElement, setTriggerValue }) {
  parentElement.querySelector(".page")?.remove();
  const page = add(parentElement, "div", { className: "page" });
  page.dataset.number = data.page;
  const single = data.photos.length === 1 && data.single;
  const marked = new Set(data.photos.keys());
  let label = data.label;
  let sent = false;

  const classes = add(page, "div", { className: "bar", role: "group", ariaLabel: "Class" });
  const buttons = data.classes.map(([name, text], index) => {
    const button = add(classes, "button", { className: "class", type: "button" });
    const key = name === data.none ? "0" : index < 9 ? String(index + 1) : "";
    withKey(button, key, text);
    button.onclick = () => choose(name);
    return [name, key, button];
  });
  const field = data.new && add(classes, "input", { ariaLabel: "New class", maxLength: 80 });
  if (field) {
    field.placeholder = "New class";
    field.oninput = () => choose(field.value.trim(), false);
  }

  const actions = add(page, "div", { className: "bar" });
  const save = action("Enter", single ? "Save" : "Give to the marked", submit);
  save.classList.add("save");
  const all = single ? action("-", "Skip", () => send([])) : action("-", "Mark all or none", toggleAll);
  const undo = action("u", "Undo", () => ask("undo"));
  undo.disabled = !data.undo;
  save.disabled = all.disabled = !data.photos.length;
  const change = action("g", single ? "A page of photos" : "One by one", () => ask("change"));

  const status = add(page, "p", { className: "status", role: "status" });
  const grid = add(page, "div", { role: "group", ariaLabel: "Photos" });
  grid.className = single ? "photos single" : "photos";
  const photos = data.photos.map(({ src, alt }, index) => {
    const button = add(grid, "button", { className: "photo", type: "button" });
    add(button, "img", { src, alt });
    if (!single) {
      add(button, "kbd", { textContent: LETTERS[index], ariaHidden: "true" });
      button.onclick = () => toggle(index);
    }
    return button;
  });
  show();

  function action(key, text, take) {
    const button = add(actions, "button", { type: "button", onclick: take });
    withKey(button, key, text);
    return button;
  }

  function choose(name, clears = true) {
    label = name;
    if (clears && field) field.value = "";
    if (clears && single && name) submit();
    else show();
  }

  function toggle(index) {
    marked.has(index) ? marked.delete(index) : marked.add(index);
    show();
  }

  function toggleAll() {
    const every = marked.size === 0;
    marked.clear();
    if (every) photos.forEach((_, index) => marked.add(index));
    show();
  }

  function show(text) {
    buttons.forEach(([name, , button]) => (button.ariaPressed = String(name === label)));
    if (!single) photos.forEach((button, index) => (button.ariaPressed = String(marked.has(index))));
    status.textContent = text || describe();
  }

  function describe() {
    if (single || !photos.length) return "";
    if (!marked.size) return "No photo is marked: Enter skips them.";
    if (label) return `${marked.size} of ${photos.length} get: ${shown(label)}`;
    return "What do the marked photos show? Unmark the others by a click or their letter.";
  }

  function shown(name) {
    return (data.classes.find(([known]) => known === name) || [name, name])[1];
  }

  function submit() {
    if (!photos.length) return;
    if (label || !marked.size) send([...marked]);
    else {
      show("Choose a class first, or type the name of a new one.");
      field?.focus();
    }
  }

  function send(photos) {
    ask("answer", { label, marked: photos });
  }

  function ask(name, value = {}) {
    if (sent || (name === "undo" && undo.disabled)) return;
    sent = true;
    page.querySelectorAll("button, input").forEach((each) => (each.disabled = true));
    status.textContent = "Saving …";
    setTriggerValue(name, { page: data.page, ...value });
  }

  function press(event) {
    const target = event.composedPath()[0];
    const inside = page.contains(target);
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (!inside && target.matches("a, button, input, select, textarea, [role=tab], [role=dialog] *")) return;
    if (target === field && event.key !== "Enter") return;
    const key = event.key.toLowerCase();
    const found = buttons.find(([, digit]) => digit && digit === key);
    if (key === "enter") {
      if (![undo, change, all].includes(target)) submit();
      else return;
    } else if (found) choose(found[0]);
    else if (key === "-") all.click();
    else if (key === "u") undo.click();
    else if (key === "g") change.click();
    else if (key === " " && single && !inside) all.click();
    else if (!single && key.length === 1 && LETTERS.indexOf(key) in photos) toggle(LETTERS.indexOf(key));
    else return;
    event.preventDefault();
  }

  const stop = () => document.removeEventListener("keydown", press);
  parentElement.pawprintStop?.(); // of the page before, which Streamlit need not end
  parentElement.pawprintStop = stop;
  document.addEventListener("keydown", press);
  return stop;
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
}
