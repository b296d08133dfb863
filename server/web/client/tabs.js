// Tabs as the ARIA Authoring Practices have them: one stop for the Tab key, arrows between them.
// The address remembers which one is shown: as #/broker, which is no element's id, so that nothing
// scrolls to it.

/** tabList: an element with role="tablist", whose tabs name their panels by aria-controls. */
export function mountTabs(tabList) {
  const tabs = [...tabList.querySelectorAll('[role="tab"]')];
  const panelOf = (tab) => tab.getAttribute('aria-controls');

  const show = (chosen) => {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute('aria-selected', String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      document.getElementById(panelOf(tab)).hidden = !isChosen;
    }
  };
  const addressOf = (tab) => `#/${panelOf(tab)}`;
  const showAddressed = () => show(tabs.find((tab) => location.hash === addressOf(tab)) ?? tabs[0]);
  const choose = (tab) => {
    show(tab);
    tab.focus();
    history.replaceState(null, '', addressOf(tab));
  };

  const last = tabs.length - 1;
  tabs.forEach((tab, index) => {
    const targets = {
      ArrowLeft: tabs.at(index - 1),
      ArrowRight: tabs[index === last ? 0 : index + 1],
      Home: tabs[0],
      End: tabs[last],
    };
    tab.addEventListener('click', () => choose(tab));
    tab.addEventListener('keydown', (event) => {
      if (Object.hasOwn(targets, event.key)) {
        event.preventDefault();
        choose(targets[event.key]);
      }
    });
  });
  addEventListener('hashchange', showAddressed);
  showAddressed();
}
