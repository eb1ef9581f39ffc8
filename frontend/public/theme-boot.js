// Runs before the first paint: the chosen theme and glass setting, so nothing flashes.
(function () {
  var root = document.documentElement;
  var stored = {};
  try {
    stored = JSON.parse(localStorage.getItem("ese.appearance") || "{}");
  } catch (error) {
    stored = {};
  }
  var wantsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  var theme = stored.theme === "light" || stored.theme === "dark" ? stored.theme : wantsDark ? "dark" : "light";
  root.dataset.theme = theme;
  root.dataset.glass = stored.glass === "on" || stored.glass === "off" ? stored.glass : "auto";
})();
