"use strict";
// The values under the pointer, read back from the curves themselves.
(function () {
  function short(v) {
    var u = ["", "k", "M", "G", "T"], i = 0;
    while (v >= 1000 && i < 4) { v /= 1000; i++; }
    return (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v >= 0.1 || v === 0 ? v.toFixed(2) : v.toFixed(4)) + u[i];
  }
  function time(ms) {
    if (ms < 1000) return ms.toFixed(0) + " ms";
    var s = ms / 1000;
    if (s < 60) return s.toFixed(1) + " s";
    if (s < 3600) return Math.floor(s / 60) + "m " + Math.floor(s % 60) + "s";
    if (s < 86400) return Math.floor(s / 3600) + "h " + Math.floor(s / 60 % 60) + "m";
    return Math.floor(s / 86400) + "d " + Math.floor(s / 3600 % 24) + "h";
  }
  function took(ms) {
    return ms < 1 ? (ms * 1000).toFixed(0) + " µs" : ms < 1000 ? ms.toPrecision(3) + " ms" : (ms / 1000).toPrecision(3) + " s";
  }
  // The height of a curve of steps at x; none where it is broken.
  function height(d, x) {
    var part = /([MHV])([\d.]+)(?: ([\d.]+))?/g, m, at = 0, y = 0;
    while ((m = part.exec(d))) {
      if (m[1] === "M") { at = +m[2]; y = +m[3]; if (at > x) return null; }
      else if (m[1] === "V") y = +m[2];
      else { if (x >= at && x <= +m[2]) return y; at = +m[2]; }
    }
    return null;
  }
  document.querySelectorAll(".plot[data-total]").forEach(function (plot) {
    var tip = document.createElement("div"), rule = document.createElement("div");
    tip.className = "tip"; rule.className = "rule"; tip.hidden = rule.hidden = true;
    plot.append(rule, tip);
    var low = +plot.dataset.low, high = +plot.dataset.high, log = "log" in plot.dataset, ms = plot.dataset.unit === "ms";
    plot.addEventListener("pointermove", function (event) {
      var box = plot.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
      if (share < 0 || share > 1) return;
      tip.textContent = time(share * plot.dataset.total);
      plot.querySelectorAll("path[data-name]").forEach(function (path) {
        var y = height(path.getAttribute("d"), share * 1000);
        if (y === null) return;
        var up = 1 - y / 300, v = log ? low * Math.pow(high / low, up) : up * high;
        var row = document.createElement("div");
        row.className = path.getAttribute("class");
        row.textContent = path.dataset.name + ": " + (ms ? took(v) : short(v));
        tip.append(row);
      });
      tip.hidden = rule.hidden = false;
      rule.style.left = share * 100 + "%";
      tip.style.left = share > 0.5 ? "" : "calc(" + share * 100 + "% + 10px)";
      tip.style.right = share > 0.5 ? "calc(" + (1 - share) * 100 + "% + 10px)" : "";
    });
    plot.addEventListener("pointerleave", function () { tip.hidden = rule.hidden = true; });
  });
})();
