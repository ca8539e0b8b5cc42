"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const hint = at("hint");

  // Words.
  const bytes = (n) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (n >= 1024 && unit < 4) { n /= 1024; unit += 1; }
    return `${n.toFixed(unit < 2 || n >= 100 ? 0 : 1)} ${units[unit]}`;
  };
  const trim = (n) => String(Math.round(n * 1000) / 1000);
  const time = (us) => {
    const s = us / 1e6;
    if (s < 60) return `${trim(s)} s`;
    const whole = Math.round(s);
    if (s < 3600) return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, "0")} s`;
    return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole % 3600 / 60)).padStart(2, "0")} m`;
  };

  // A hint beside the pointer. Labels are set as text, never as markup.
  const show = (event, lines) => {
    hint.replaceChildren();
    lines.forEach((line, n) => {
      const part = document.createElement(n === 0 ? "b" : "div");
      part.textContent = line;
      hint.append(part);
    });
    hint.hidden = false;
    const box = hint.getBoundingClientRect();
    const x = Math.min(event.clientX + 14, innerWidth - box.width - 8);
    const below = event.clientY + 18 + box.height < innerHeight;
    hint.style.left = `${Math.max(4, x)}px`;
    hint.style.top = `${below ? event.clientY + 18 : event.clientY - box.height - 12}px`;
  };
  const hide = () => { hint.hidden = true; };

  // The table: sort, find, and at first only so many rows as a page can do with.
  const table = at("all");
  const FEW = 100;
  let reveal = () => {};
  if (table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    let all = rows.length <= FEW;
    const refresh = () => {
      const wanted = at("find").value.trim().toLowerCase();
      let found = 0;
      for (const row of body.rows) {
        const fits = texts.get(row).includes(wanted);
        found += fits ? 1 : 0;
        row.hidden = !fits || (!all && found > FEW);
      }
      at("more").hidden = all || found <= FEW;
      at("more").textContent = `Show all ${found}`;
      const seen = all ? found : Math.min(found, FEW);
      at("shown").textContent = wanted || seen < rows.length ? `${seen} of ${rows.length} units` : `${rows.length} units`;
    };
    const sort = (column, heading) => {
      const numbers = heading.dataset.sort === "number";
      const down = heading.ariaSort ? heading.ariaSort === "ascending" : numbers && column !== 1 && column !== 6;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = numbers ? (row) => Number(row.cells[column].dataset.v) : (row) => row.cells[column].textContent;
      const keys = new Map(rows.map((row) => [row, key(row)]));
      const order = (a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        return numbers ? x - y : x.localeCompare(y);
      };
      rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
      body.append(...rows);
      refresh();
    };
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sort(column, heading));
      heading.replaceChildren(button);
    });
    at("tools").hidden = false;
    at("find").addEventListener("input", refresh);
    at("more").addEventListener("click", () => { all = true; refresh(); });
    reveal = (unit) => {
      const row = at(`u${unit}`);
      if (!row) return;
      at("find").value = "";
      all = all || row.hidden;
      refresh();
      table.querySelectorAll(".found").forEach((old) => old.classList.remove("found"));
      row.classList.add("found");
      row.scrollIntoView({ block: "center" });
    };
    const followed = () => {
      const unit = /^#u(\d+)$/.exec(location.hash);
      if (unit) reveal(unit[1]);
    };
    addEventListener("hashchange", followed);
    refresh();
    followed();
  }

  document.querySelectorAll(".diagram circle").forEach((dot) => {
    dot.querySelector("title").remove();
    dot.addEventListener("mousemove", (event) => show(event, data.units[dot.dataset.u]));
    dot.addEventListener("mouseleave", hide);
    dot.addEventListener("click", () => reveal(dot.dataset.u));
  });

  // The chart: what is under the pointer, and zooming.
  const chart = at("chart");
  if (!chart || !data.span) return;
  const plot = chart.querySelector(".plot");
  const bars = [...chart.querySelectorAll(".u")];
  const curves = [...chart.querySelectorAll(".z")];
  const marks = [...chart.querySelectorAll(".marks i")];
  const cross = at("cross");
  const band = at("zoom");
  at("zoom-tip").hidden = false;
  let from = 0;
  let to = data.span;

  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500].map((ms) => ms * 1e3)
    .concat([1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200].map((s) => s * 1e6));
  const ticks = () => {
    const most = Math.max(2, plot.clientWidth / 90);
    const step = steps.find((one) => (to - from) / one <= most) || (to - from) / most;
    const line = at("ticks");
    line.replaceChildren();
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      const mark = document.createElement("span");
      mark.style.left = `${(t - from) / (to - from) * 100}%`;
      mark.style.visibility = "visible";
      mark.style.transform = t === 0 ? "none" : "translateX(-50%)";
      mark.textContent = t === 0 ? "0" : time(t);
      line.append(mark);
    }
  };
  const label = () => {
    const whole = plot.clientWidth / (to - from);
    for (const bar of bars) {
      const [a, b] = [Math.max(from, Number(bar.dataset.a)), Math.min(to, Number(bar.dataset.b))];
      const text = bar.querySelector("text");
      text.style.display = (b - a) * whole > 30 ? "" : "none";
      text.setAttribute("x", 5 + Math.max(0, from - Number(bar.dataset.a)) * whole);
    }
  };
  const draw = () => {
    const share = (us) => `${us / (to - from) * 100}%`;
    for (const bar of bars) {
      const [a, b] = [Number(bar.dataset.a), Number(bar.dataset.b)];
      bar.setAttribute("x", share(a - from));
      bar.setAttribute("width", share(b - a));
      bar.style.display = b < from || a > to ? "none" : "";
    }
    const [x, w] = [from / data.span * 10000, (to - from) / data.span * 10000];
    for (const curve of curves) curve.setAttribute("viewBox", `${x} 0 ${w} 100`);
    for (const mark of marks) {
      const t = Number(mark.dataset.a);
      mark.style.left = share(t - from);
      mark.style.display = t < from || t > to ? "none" : "";
    }
    at("whole").hidden = from === 0 && to === data.span;
    ticks();
    label();
  };
  const look = (a, b) => {
    const least = Math.min(1000, data.span);
    from = Math.max(0, Math.min(a, data.span - least));
    to = Math.min(data.span, Math.max(b, from + least));
    draw();
  };
  const timeAt = (event) => {
    const box = plot.getBoundingClientRect();
    const part = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    return from + part * (to - from);
  };
  const placeOf = (us) => plot.offsetLeft + (us - from) / (to - from) * plot.clientWidth;
  const nearest = (us) => {
    let [low, high] = [0, data.points.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.points[middle][0] < us) low = middle + 1; else high = middle;
    }
    const [before, after] = [data.points[low - 1], data.points[low]];
    return before && after && us - before[0] < after[0] - us ? before : after;
  };
  const told = (us) => {
    const point = nearest(us);
    const lines = [time(Math.round(us / 1e4) * 1e4)];
    if (!point) return lines;
    const [, held, others, room, busy, running, paused, waiting] = point;
    lines.push(room === null ? `${bytes(held)} held` : `${bytes(held)} held of ${bytes(room)}`);
    if (others) lines.push(`${bytes(others)} held by other runs`);
    if (running + paused + waiting) lines.push(`${running} running, ${paused} paused, ${waiting} waiting`);
    if (busy !== null) lines.push(`${trim(Math.round(busy * 10) / 10)} threads busy`);
    return lines;
  };
  let began = null;
  let moved = false;
  chart.addEventListener("mousemove", (event) => {
    const us = timeAt(event);
    const bar = event.target.closest(".u");
    show(event, bar ? data.units[bar.dataset.u] : told(us));
    cross.hidden = false;
    cross.style.left = `${placeOf(us)}px`;
    if (began !== null) {
      moved = moved || Math.abs(placeOf(us) - placeOf(began)) > 4;
      band.hidden = !moved;
      band.style.left = `${placeOf(Math.min(us, began))}px`;
      band.style.width = `${Math.abs(placeOf(us) - placeOf(began))}px`;
    }
  });
  chart.addEventListener("mouseleave", () => { hide(); cross.hidden = true; });
  chart.addEventListener("mousedown", (event) => {
    if (event.button === 0) { began = timeAt(event); moved = false; }
  });
  addEventListener("mouseup", (event) => {
    if (began === null) return;
    const us = timeAt(event);
    if (moved) look(Math.min(us, began), Math.max(us, began));
    else {
      const bar = event.target.closest && event.target.closest(".u");
      if (bar) reveal(bar.dataset.u);
    }
    began = null;
    band.hidden = true;
  });
  chart.addEventListener("dblclick", () => look(0, data.span));
  chart.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const us = timeAt(event);
    const factor = event.deltaY > 0 ? 1.25 : 0.8;
    look(us - (us - from) * factor, us + (to - us) * factor);
  }, { passive: false });
  at("whole").addEventListener("click", () => look(0, data.span));
  addEventListener("resize", draw);
  draw();
})();
