/* Finding among leaks: a field that hides the groups which do not hold its words, and folding all at once. */

export function wireLeaks() {
  for (const section of document.querySelectorAll('section.leaks')) {
    const tools = section.querySelector('.tools');
    const groups = [...section.querySelectorAll('details.leak')];
    if (!tools || groups.length === 0) continue;
    tools.hidden = false;
    const found = tools.querySelector('output');
    tools.querySelector('input').addEventListener('input', (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const group of groups) {
        const text = group.textContent.toLowerCase();
        group.hidden = !words.every((word) => text.includes(word));
        shown += group.hidden ? 0 : 1;
      }
      found.textContent = words.length === 0 ? '' : `${shown} of ${groups.length}`;
    });
    tools.querySelector('.fold').addEventListener('click', () => {
      const open = groups.some((group) => !group.open);
      for (const group of groups) group.open = open;
    });
  }
}
