// A line under the pointer, the same in all charts of a page, and what the window there holds.
"use strict";
(() => {
  let pinned = null;
  let current = null;

  const rows = () => [...document.querySelectorAll("tr[data-place]")];

  function nearest(place) {
    let best = null;
    let distance = Infinity;
    for (const row of rows()) {
      const away = Math.abs(Number(row.dataset.place) - place);
      if (away < distance) [best, distance] = [row, away];
    }
    return best;
  }

  function show(row) {
    current = row?.id ?? null;
    for (const cross of document.querySelectorAll(".cross")) {
      cross.hidden = !row;
      if (row) cross.style.left = `${row.dataset.place}%`;
    }
    const body = document.getElementById("point");
    if (!body || !row) return;
    const heads = [...row.closest("table").querySelectorAll("thead th")];
    const list = document.createElement("dl");
    [...row.cells].forEach((cell, at) => {
      const entry = document.createElement("div");
      const term = document.createElement("dt");
      const value = document.createElement("dd");
      term.textContent = heads[at].textContent;
      value.append(...[...cell.cloneNode(true).childNodes]);
      if (!value.textContent.trim()) value.textContent = "–";
      if (at === 0 || at === row.cells.length - 1) entry.className = "wide-entry";
      entry.append(term, value);
      list.append(entry);
    });
    const note = document.createElement("p");
    note.className = "pinned";
    note.textContent = pinned ? "Kept. Press Escape to let it go." : "";
    body.replaceChildren(list, note);
  }

  function move(row, steps) {
    const all = rows().sort((a, b) => Number(a.dataset.place) - Number(b.dataset.place));
    if (!all.length) return null;
    const at = row ? all.indexOf(row) : all.length;
    return all[Math.min(Math.max(at + steps, 0), all.length - 1)];
  }

  const plotOf = (event) => event.target.closest?.(".plot");
  const rowNow = () => (current ? document.getElementById(current) : null);

  document.addEventListener("pointermove", (event) => {
    const plot = plotOf(event);
    if (!plot || pinned) return;
    const box = plot.getBoundingClientRect();
    show(nearest((100 * (event.clientX - box.left)) / box.width));
  });
  document.addEventListener("click", (event) => {
    const plot = plotOf(event);
    if (!plot) return;
    const box = plot.getBoundingClientRect();
    const row = nearest((100 * (event.clientX - box.left)) / box.width);
    pinned = row?.id ?? null;
    show(row);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && pinned) {
      pinned = null;
      show(rowNow());
      return;
    }
    if (!plotOf(event)) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e6, End: 1e6 }[event.key];
    if (steps) {
      const row = move(rowNow(), steps);
      if (pinned) pinned = row?.id ?? null;
      show(row);
      event.preventDefault();
    } else if (event.key === "Enter" || event.key === " ") {
      pinned = rowNow()?.id ?? null;
      show(rowNow());
      event.preventDefault();
    }
  });
  // Figures go on while a line is shown: the window under it stays the same one.
  document.addEventListener("opwatch:changed", () => {
    if (current) show(rowNow());
  });
})();
