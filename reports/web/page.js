/* The page's script. The page is whole without it: the C writer put every number into tables. This adds what tables
 * cannot: a chart a scenario, the switch between light and dark, sorting, and finding among leaks. It asks nobody for
 * anything; its data stands in the page as JSON. */
import { drawCharts } from './charts.js';
import { wireLeaks } from './leaks.js';
import { wirePrinting } from './print.js';
import { wireSorting } from './sorting.js';
import { wireTheme } from './theme.js';

const data = JSON.parse(document.getElementById('poolbuf-data').textContent);
const charts = drawCharts(data.inputs);
wireTheme(charts);
wireSorting();
wireLeaks();
wirePrinting(charts);
document.documentElement.dataset.ready = 'yes';
