// Sets the theme before anything is painted: a classic script, so that no light page flashes up at night.
(() => {
  const KEY = "shadowlab-theme";
  let kept = null;
  try { kept = localStorage.getItem(KEY); } catch { /* storage is forbidden: follow the system */ }
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
