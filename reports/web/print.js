/* Paper: light colours, charts as wide as the sheet, and everything that is folded on screen unfolded. */

const PAPER_WIDTH = 680;

export function wirePrinting(charts) {
  const root = document.documentElement;
  let theme;
  let folded = [];
  addEventListener('beforeprint', () => {
    theme = root.dataset.theme;
    root.dataset.theme = 'light';
    folded = [...document.querySelectorAll('details:not([open])')];
    for (const details of folded) details.open = true;
    charts.redraw(PAPER_WIDTH);
  });
  addEventListener('afterprint', () => {
    if (theme === undefined) delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const details of folded) details.open = false;
    charts.redraw();
  });
}
