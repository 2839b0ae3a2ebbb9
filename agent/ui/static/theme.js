// Runs before the page is painted: the theme that was chosen, if one was.
try {
  const theme = localStorage.getItem("lictor-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* a browser that keeps nothing follows the system */ }
