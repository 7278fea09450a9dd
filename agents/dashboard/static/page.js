// Keeps a page as it is on the server: one WebSocket, and only what changed is put in place.
"use strict";
(() => {
  // A sign of life comes every two seconds.
  const STALE_MS = 4000;
  const FIRST_RETRY_MS = 500;
  const LAST_RETRY_MS = 10000;
  const SESSION_ENDED = 4401;

  // ---------------------------------------------------------------- time

  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  // What the server's clock is ahead of this one's steady clock: this one may be wrong or be set.
  let ahead = Number(document.body.dataset.now || Date.now()) - performance.now();
  const now = () => performance.now() + ahead;

  function span(ms) {
    const seconds = Math.max(0, Math.floor(ms / 1000));
    const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"],
      [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
    const written = parts.filter(([number]) => number).map(([number, unit]) => `${number} ${unit}`);
    return written.slice(0, 2).join(" ") || "0 s";
  }

  function writeTime(element) {
    const at = Date.parse(element.dateTime);
    if (Number.isNaN(at)) return;
    const form = element.dataset.form;
    const isToday = new Date(at).toDateString() === new Date(now()).toDateString();
    const short = isToday ? clock.format(at) : `${day.format(at)}, ${clock.format(at)}`;
    const text = form === "short" ? short : form === "age" ? `${span(now() - at)} ago` : form === "clock" ? clock.format(at) : moment.format(at);
    if (element.textContent !== text) element.textContent = text;
  }

  function writeTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) writeTime(element);
    for (const element of root.querySelectorAll("text[data-at]")) {
      const at = new Date(Number(element.dataset.at));
      const isDay = "day" in element.dataset || (at.getHours() === 0 && at.getMinutes() === 0);
      const text = (isDay ? day : clock).format(at);
      if (element.textContent !== text) element.textContent = text;
    }
  }

  // ---------------------------------------------------------------- putting changes in place

  // Makes `from` like `to` and keeps what is already so: focus, scrolling and selections stay.
  function morph(from, to) {
    if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || (from.id || "") !== (to.id || "")) {
      from.replaceWith(to);
      return;
    }
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    if ("keep" in from.dataset) return;
    // What a time is written as here is no difference.
    const same = (from.nodeName === "TIME" && from.dateTime === to.dateTime) || ("at" in from.dataset && from.dataset.at === to.dataset.at);
    for (const { name, value } of [...to.attributes]) {
      if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    for (const { name } of [...from.attributes]) {
      // What a person opened stays open.
      if (!to.hasAttribute(name) && !(name === "open" && from.nodeName === "DETAILS")) from.removeAttribute(name);
    }
    if (!same) morphChildren(from, to);
  }

  function morphChildren(from, to) {
    const wanted = [...to.childNodes];
    wanted.forEach((node, at) => {
      const present = from.childNodes[at];
      if (!present) from.append(node);
      else if (node.id && present.id !== node.id) {
        const moved = [...from.children].find((child) => child.id === node.id);
        if (moved) {
          from.insertBefore(moved, present);
          morph(moved, node);
        } else from.insertBefore(node, present);
      } else morph(present, node);
    });
    while (from.childNodes.length > wanted.length) from.lastChild.remove();
  }

  function take(sections) {
    for (const [name, html] of Object.entries(sections)) {
      const place = document.querySelector(`[data-section="${CSS.escape(name)}"]`);
      if (!place) continue;
      // The server has escaped everything that came from elsewhere; scripts in it would not run.
      const wanted = document.createElement("template");
      wanted.innerHTML = html;
      morphChildren(place, wanted.content);
      writeTimes(place);
    }
    document.dispatchEvent(new CustomEvent("opwatch:changed", { detail: Object.keys(sections) }));
  }

  // ---------------------------------------------------------------- the connection

  const badge = document.getElementById("live");
  const badgeText = document.getElementById("live-text");
  let lastMessage = performance.now();
  let connected = false;
  let retry = FIRST_RETRY_MS;

  function showState() {
    if (!badge) return;
    const quiet = performance.now() - lastMessage;
    let state = "live";
    let text = "Live";
    if (!connected && quiet < STALE_MS) {
      state = "loading";
      text = "Connecting";
    } else if (quiet >= STALE_MS) {
      state = "stale";
      text = `Connection lost: what you see is ${span(quiet)} old`;
    }
    if (badge.dataset.state !== state) badge.dataset.state = state;
    if (badgeText.textContent !== text) badgeText.textContent = text;
    document.body.classList.toggle("is-stale", state === "stale");
  }

  function connect() {
    const url = new URL("/live", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const live = new URL(document.body.dataset.live, location.href);
    url.searchParams.set("page", live.pathname);
    for (const [name, value] of live.searchParams) url.searchParams.set(name, value);
    const socket = new WebSocket(url);
    let opened = false;
    socket.onopen = () => {
      opened = connected = true;
      retry = FIRST_RETRY_MS;
    };
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      lastMessage = performance.now();
      ahead = message.now_ms - lastMessage;
      take(message.sections);
      showState();
    };
    socket.onclose = (event) => {
      connected = false;
      if (event.code === SESSION_ENDED) location.reload();
      // No code says why a connection is refused: the session may have ended meanwhile.
      if (!opened) fetch(location.href, { method: "HEAD" }).then((answer) => answer.status === 401 && location.reload(), () => {});
      setTimeout(connect, retry * (0.75 + Math.random() / 2));
      retry = Math.min(retry * 2, LAST_RETRY_MS);
    };
  }

  // ---------------------------------------------------------------- what people do

  document.getElementById("theme")?.addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // It stands for this page alone then.
    }
  });

  for (const form of document.querySelectorAll("form[data-auto]")) {
    form.addEventListener("change", () => form.submit());
  }

  // Rows of a table wait in a template until their table is there.
  for (const chunk of document.getElementById("chunks")?.content.querySelectorAll("template") ?? []) {
    document.querySelector(`[data-section="${CSS.escape(chunk.dataset.chunk)}"]`)?.append(chunk.content);
  }
  writeTimes(document);
  setInterval(() => {
    for (const element of document.querySelectorAll('time[data-form="age"]')) writeTime(element);
    showState();
  }, 1000);
  if (document.body.dataset.live) connect();
})();
