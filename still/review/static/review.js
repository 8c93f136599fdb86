// Keys, undo and redo. What can be undone is a list in this tab; the server keeps no state.
"use strict";
(() => {
  const task = document.body.dataset.task;
  const load = (name) => JSON.parse(sessionStorage.getItem(`${task} ${name}`) || "[]");
  const save = (name, list) => sessionStorage.setItem(`${task} ${name}`, JSON.stringify(list.slice(-200)));
  const row = () => document.getElementById("row");
  const given = () => Object.fromEntries(new URLSearchParams(location.search));
  const blind = () => given().mode === "second";
  let digits = "", timer = 0, pending = null, busy = false;

  // An act comes back with the row that follows it.
  const remember = () => {
    const place = document.getElementById("action");
    if (!place) return;
    const action = JSON.parse(place.dataset.action);
    place.remove();
    const done = load("done"), undone = load("undone");
    // The server refuses an act after a later one about the same row, unless this tab has seen that too.
    const lines = Object.fromEntries(action.rows.map((of) => [of.hash, of.line]));
    for (const rows of [...done, ...undone]) for (const of of rows) of.line = lines[of.hash] ?? of.line;
    if (action.kind === "undo") {
      // An undo is an act too, and its own reverse is what redo decides.
      undone.push(action.rows.map((of) => ({ ...of, before: of.after, after: of.before })));
    } else {
      done.push(action.rows);
      if (action.kind === "new") undone.length = 0;
    }
    save("done", done);
    save("undone", undone);
    pending = null;
  };

  const ask = (method, path, values) => {
    if (busy) return;
    busy = true;
    htmx.ajax(method, path, { target: "#row", swap: "innerHTML show:window:top", values });
  };

  const again = (kind) => {
    if (busy || blind() || !document.getElementById(kind)) return;
    const name = kind === "undo" ? "done" : "undone", list = load(name), rows = list.pop();
    if (!rows) return;
    pending = { name, rows };
    save(name, list);
    const actions = rows.map((of) => ({ hash: of.hash, line: of.line, restore: kind === "undo" ? of.before : of.after }));
    ask("POST", "/again", { ...given(), kind, actions: JSON.stringify(actions) });
  };

  const step = (back) => {
    const card = document.querySelector("article[data-rank]");
    // A second look goes on in one direction: the row before has been decided.
    if (!card || (back && blind())) return;
    const values = given();
    delete values.row;
    ask("GET", "/row", { ...values, after: card.dataset.rank, ...(back ? { back: "1" } : {}) });
  };

  const forget = () => { digits = ""; clearTimeout(timer); };

  const digit = (key) => {
    clearTimeout(timer);
    digits += key;
    const typed = digits, buttons = [...document.querySelectorAll("button.label")];
    const choose = () => { forget(); buttons.find((of) => of.dataset.number === typed && of.isConnected)?.click(); };
    if (buttons.some((of) => of.dataset.number.startsWith(typed) && of.dataset.number !== typed)) timer = setTimeout(choose, 700);
    else choose();
  };

  const edit = () => {
    const fields = document.getElementById("edit");
    if (!fields) return;
    fields.hidden = false;
    document.getElementById("edit-button").setAttribute("aria-expanded", "true");
    fields.querySelector("select, textarea, input").focus();
  };

  const press = (id) => { const button = document.getElementById(id); if (button && !button.disabled && !busy) button.click(); };
  const keys = {
    a: () => press("accept"), r: () => press("reject"), e: edit, s: () => step(false), u: () => again("undo"),
    y: () => again("redo"), ArrowRight: () => step(false), ArrowLeft: () => step(true),
    n: () => document.getElementById("note")?.focus(), "/": () => document.getElementById("search")?.focus(),
    "?": () => document.getElementById("help").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const field = event.target, writes = field.matches("input:not([type=checkbox]), textarea, select");
    if (event.key === "Escape" && writes) { field.blur(); return; }
    if (event.key === "Enter" && field.closest("#edit") && writes) {
      if (field.matches("textarea") && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      press("save");
      return;
    }
    if (event.key === "Enter" && field.id === "note") { event.preventDefault(); field.blur(); return; }
    if (writes || event.repeat || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (/^[0-9]$/.test(event.key) && (digits || event.key !== "0")) { event.preventDefault(); digit(event.key); return; }
    forget();
    // On a keyboard without Latin letters, the place of the key counts.
    const key = /^[\x20-\x7e]$/.test(event.key) || event.key.length > 1 ? event.key : event.code.replace(/^Key/, "").toLowerCase();
    if (keys[key]) { event.preventDefault(); keys[key](); }
  });
  document.addEventListener("focusin", (event) => { if (event.target.matches("input, textarea, select")) forget(); });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "undo" || button.id === "redo") again(button.id);
    if (button.id === "skip") step(false);
    if (button.id === "edit-button") edit();
    if (button.id === "help-button") document.getElementById("help").showModal();
    if (button.id === "all") document.querySelectorAll("#bulk input[name=row]").forEach((box) => { box.checked = true; });
    if (button.matches("button.label") && !busy) {
      busy = true;
      const values = { act: "label", choice: button.dataset.label };
      htmx.ajax("POST", "/decide", { source: "#decide", target: "#row", swap: "innerHTML show:window:top", values });
    }
  });

  // An act that the server refuses can never be undone or redone, so it is forgotten.
  const failed = (text, again) => {
    if (pending && again) save(pending.name, [...load(pending.name), pending.rows]);
    pending = null;
    const message = document.createElement("p");
    message.className = "message";
    message.setAttribute("role", "alert");
    message.textContent = text;
    row()?.prepend(message);
  };
  document.addEventListener("htmx:beforeRequest", () => { busy = true; forget(); });
  document.addEventListener("htmx:afterRequest", () => { busy = false; });
  document.addEventListener("htmx:afterSwap", () => {
    remember();
    document.getElementById("row-title")?.focus({ preventScroll: true });
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText } = event.detail.xhr;
    failed(responseText.slice(0, 500), status >= 500);
  });
  document.addEventListener("htmx:sendError", () => failed("The server does not answer. Start it again and reload the page, which shows what was saved.", true));
  remember();
})();
