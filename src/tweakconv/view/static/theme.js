// Light or dark, as chosen on an earlier visit: set before the page is drawn, so that it does not flash.
try {
  document.documentElement.dataset.theme = localStorage.getItem("tweakconv-theme") ?? "auto";
} catch {
  document.documentElement.dataset.theme = "auto"; // in a browser that stores nothing
}
