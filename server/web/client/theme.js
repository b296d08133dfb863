// The switch between the system's theme, light and dark. What was chosen is kept in this browser;
// the page's head takes it over before anything is painted.

const KEY = 'theme';

export function mountTheme(select) {
  const root = document.documentElement;
  select.value = root.dataset.theme ?? 'system';
  select.addEventListener('change', () => {
    root.dataset.theme = select.value;
    try {
      localStorage.setItem(KEY, select.value);
    } catch {
      // A browser that keeps nothing for this page: it lasts until the page is left.
    }
  });
}
