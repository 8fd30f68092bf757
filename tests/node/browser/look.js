// Runs in a copy of a page: tells the frame around it what is drawn, and what is wrong with the layout.
addEventListener("load", function () {
  var faults = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) faults.push("the page is wider than the window");
  function meet(a, b) {
    return Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  }
  document.querySelectorAll("figure").forEach(function (figure) {
    var own = figure.getBoundingClientRect(), plot = figure.querySelector(".plot"), name = figure.querySelector(".title").textContent;
    var texts = Array.from(figure.querySelectorAll(".tick, .stage, .markname, .legend li, .title, .unit, .key, .nothing"));
    var boxes = texts.filter(function (text) { return text.textContent.trim(); }).map(function (text) {
      return { text: text.textContent.trim(), box: text.getBoundingClientRect() };
    });
    boxes.forEach(function (one, at) {
      boxes.slice(at + 1).forEach(function (other) {
        if (meet(one.box, other.box)) faults.push(name + ": `" + one.text + "` overlaps `" + other.text + "`");
      });
      if (one.box.left < own.left - 1 || one.box.right > own.right + 1) faults.push(name + ": `" + one.text + "` leaves its chart");
      if (plot) {
        var inner = plot.getBoundingClientRect();
        // A tick beside the lowest or highest line reaches a little beyond it, at the side.
        if (meet(one.box, inner)) faults.push(name + ": `" + one.text + "` is over data");
      }
    });
  });
  document.querySelectorAll(".tile, .banner, dl.facts div, .hint").forEach(function (part) {
    if (part.scrollWidth > part.clientWidth + 1) faults.push("`" + part.textContent.trim().slice(0, 60) + "` is cut off");
  });
  var curves = Array.from(document.querySelectorAll("path.line")).filter(function (path) {
    return path.getAttribute("d").length > 3 && path.getBoundingClientRect().width > 0;
  });
  parent.postMessage(JSON.stringify({
    faults: faults.slice(0, 40),
    fetched: performance.getEntriesByType("resource").length,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    width: innerWidth,
    title: document.title,
    scripts: document.scripts.length,
    curves: curves.length
  }), "*");
});
